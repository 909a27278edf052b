"""The tests: unit, contract, integration and end to end; data, faults and vectors they share."""
