"""`make demo`: the whole local cloud, and three people who use it at once."""
