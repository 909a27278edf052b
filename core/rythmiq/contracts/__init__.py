"""The words on the wire: frozen pydantic models, no I/O."""
