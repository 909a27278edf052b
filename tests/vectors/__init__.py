"""Test vectors that other implementations open and make."""
