"""A worker that prints without end, on both pipes, and never reads its payload."""

import os

while True:
    os.write(2, b"x" * 10_000 + b"\n")
    os.write(1, b"x" * 4_096)
