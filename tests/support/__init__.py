"""What several suites share: stand-ins, rigs and clients."""
