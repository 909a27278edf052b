"""Bodies of the HTTP API: requests refuse unknown fields, responses are what OpenAPI describes.

Import from the module that holds the model: a function then builds the models of its own calls only.

Source: docs/specification/http-api.md.
"""
