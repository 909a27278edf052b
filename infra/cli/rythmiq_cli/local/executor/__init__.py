"""The local executor: takes orders over HTTP and starts a launcher for each."""
