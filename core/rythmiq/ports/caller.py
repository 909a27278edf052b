"""Who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the gateway verified it; reads run in their role and under their claims, so that RLS decides."""

    user_id: str
    token: str = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
