"""Benchmarks: ratios of CPU time within one run, peak memory, and picture quality. Never part of `make test`."""
