"""A worker that prints what is no result."""

import sys

sys.stdin.buffer.read()
sys.stdout.buffer.write(b"Segmentation fault (not really)\n\xff\xfe")
