"""The calls of each function: `OPERATIONS` as data, and `routes()` with what answers them."""
