"""RQE1 objects and the key ring."""
