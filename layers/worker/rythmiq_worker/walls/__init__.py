"""The sandbox of processes that read untrusted files: no secret, no network, no file, no program."""
