"""Entity tags: whether a client knows the present state already.

Source: docs/specification/http-api.md; RFC 9110 13.1.2.
"""


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the header If-None-Match names this ETag; weak and strong ones compare alike."""
    if if_none_match is None:
        return False
    named = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return "*" in named or etag.removeprefix("W/") in named
