"""Processes that read what strangers made, behind walls of the kernel: no secret, no network, no file, no program."""
