"""A worker that crashes in native code, in the middle of a stage."""

import ctypes
import sys

sys.stdin.buffer.read()
sys.stderr.write('{"event":"stage","stage":"decode","state":"start"}\n')
sys.stderr.flush()
ctypes.string_at(0)
