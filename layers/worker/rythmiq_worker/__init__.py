"""The worker: one job, STDIN to STDOUT, everything that touches pixels."""
