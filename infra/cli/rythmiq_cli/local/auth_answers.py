"""How the stand-in of Supabase Auth answers: JSON that any page may read, and refusals in GoTrue's form."""

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Response

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "authorization, apikey, content-type, x-client-info, x-supabase-api-version",
    "Access-Control-Max-Age": "7200",
}


class AuthError(Exception):
    """A refusal in GoTrue's form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def json_answer(body: Mapping[str, Any], status: int = HTTPStatus.OK) -> Response:
    """An answer that no cache keeps."""
    headers = {**CORS, "Cache-Control": "no-store"}
    return Response(json.dumps(body), status, headers, content_type="application/json")


def digest(text: str) -> str:
    """What is kept in place of a secret."""
    return hashlib.sha256(text.encode()).hexdigest()
