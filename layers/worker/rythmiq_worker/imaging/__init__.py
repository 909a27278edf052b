"""Measurements and corrections of pictures that know no slot."""
