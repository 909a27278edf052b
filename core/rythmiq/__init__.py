"""What both sides of Rythmiq One share, and what the API decides."""

__version__ = "0.1.0"
