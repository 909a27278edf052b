"""What both sides of Rythmiq One share, and what the API decides."""
