"""The calls of each function: `OPERATIONS` as data, `Parts` that the handlers need, and the `application`."""
