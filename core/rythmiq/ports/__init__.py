"""Interfaces of what the use cases call: database, object store, executor; their rows and errors.

Import from the module that holds the name. Rows are what the SQL functions return (`infra/database/migrations`), as
frozen models. Every function returns one JSON document with an `outcome`: an expected refusal is an outcome, never an
exception.

Source: docs/specification/database.md, docs/specification/executors.md.
"""
