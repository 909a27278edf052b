"""The HTTP side of the functions: requests, routing, authentication, validation, OpenAPI."""
