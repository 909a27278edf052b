"""What an installation of the worker holds, and the check of it."""
