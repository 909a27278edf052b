"""An answer as the handlers give it, before the platform's rules are applied.

Source: docs/specification/http-api.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

JSON_TYPE = "application/json"
NO_STORE = "no-store"


@dataclass(frozen=True, slots=True)
class Response:
    """One answer.

    Attributes:
        status: of HTTP.
        body: an object becomes JSON, text stays text, bytes are any other type's; None is no body at all.
        media_type: of the body.
        headers: by name as it is to be sent; a sequence is a header that is repeated.
    """

    status: int = 200
    body: Mapping[str, Any] | str | bytes | None = field(default=None, repr=False)
    media_type: str = JSON_TYPE
    headers: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


def answer(model: "BaseModel", *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a model of the contracts."""
    return Response(status, model.model_dump(mode="json"), headers=headers or {})
