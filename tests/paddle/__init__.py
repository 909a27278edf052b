"""The PaddleOCR engine, tried for real: `make test-paddle`. Collected only where PaddleOCR is installed."""
