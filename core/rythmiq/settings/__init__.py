"""Settings, read once from the environment into frozen models.

Import from the module that holds the class. `-` and the empty string count as unset (doctl refuses both empty and
missing values). One error lists every problem by variable name and never shows a value. Plain pydantic, because
pydantic-settings adds 60 ms to a cold start (docs/decisions.md).

Source: docs/specification/configuration.md.
"""
