"""Camber: names on its wire, HTTP transport, and the executor over both.

Verified against a fake that was built from other people's live runs (`tests/support/fake_camber.py`), not against
Camber. `rythmiq camber doctor` is how the holder of a key verifies the rest; `wire.py` holds every name that it may
find different.

Source: docs/specification/executors.md, docs/camber.md.
"""
