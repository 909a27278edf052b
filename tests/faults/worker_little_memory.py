"""The kernel gives no more than this many MiB of address space: `worker_little_memory.py MIB`."""

import resource
import sys

from rythmiq_worker.__main__ import main

limit_bytes = int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
main()
