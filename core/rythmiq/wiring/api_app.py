"""`api/app`: needs no configuration."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from rythmiq.gateway.routes.app import Parts, application
from rythmiq.wiring.public import allowed_origins, require_usable_settings


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: what is set cannot be used.
    """
    require_usable_settings()
    return Parts(_openapi)


def _openapi() -> Mapping[str, Any]:
    from rythmiq.gateway.openapi import document  # noqa: PLC0415  the page is asked for more often

    return document()


APPLICATION = application(parts, allowed_origins)
