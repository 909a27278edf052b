"""Our wire formats, as frozen pydantic models; no I/O."""
