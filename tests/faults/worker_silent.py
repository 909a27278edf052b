"""A worker that says nothing and leaves as if all were well."""

import sys

sys.stdin.buffer.read()
