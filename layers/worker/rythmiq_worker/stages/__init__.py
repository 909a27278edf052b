"""The seven stages, one verb each."""
