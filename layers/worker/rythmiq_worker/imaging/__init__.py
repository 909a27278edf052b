"""Measurements and corrections of pictures, whatever the slot."""
