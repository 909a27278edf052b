"""Signatures and thumb impressions: ink found, judged and put on white."""
