"""The conform engine: a picture and a slot's rules in, a file and its receipt out."""
