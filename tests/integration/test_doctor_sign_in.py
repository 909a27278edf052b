"""`rythmiq doctor` says how people sign in, and what does not fit."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from rythmiq_cli.doctor import Finding
from rythmiq_cli.doctor.functions import sign_in_findings
from rythmiq_cli.local import serving
from rythmiq_cli.local.auth import PREFIX, LocalAuth
from tests.support import loopback


def findings(url: str, key: str = "sb_publishable_local", guest_credits: int = 1) -> dict[str, Finding]:
    with loopback.Client(timeout=10) as client:
        return {each.probe: each for each in sign_in_findings(url, key, guest_credits=guest_credits, client=client)}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[str]:
    auth = LocalAuth(tmp_path, issuer="http://127.0.0.1:1/auth/v1", secret="s" * 40, api_key="sb_publishable_local")

    @Request.application
    def app(request: Request) -> Response:
        return auth.answer(request, request.path.removeprefix(PREFIX))

    with serving(0, app) as server:
        yield server.url


def told(settings: Any) -> Any:
    """A project that answers so."""

    @Request.application
    def app(_request: Request) -> Response:
        return Response(json.dumps(settings), content_type="application/json")

    return serving(0, app)


def test_what_the_e_mail_must_hold_is_said(project: str) -> None:
    found = findings(project)
    assert found["sign-in"].state == "ok"
    assert "{{ .Token }}" in found["sign-in"].said
    assert found["guests"].state == "ok"


def test_guests_of_one_side_alone_are_told(project: str) -> None:
    assert findings(project, guest_credits=0)["guests"].state == "warning"
    with told({"external": {"email": True, "anonymous_users": False}, "disable_signup": False}) as other:
        assert findings(other.url)["guests"].state == "warning"
        assert findings(other.url, guest_credits=0)["guests"].state == "ok"


def test_a_key_that_the_project_refuses_is_broken(project: str) -> None:
    assert findings(project, key="sb_publishable_other")["sign-in"].state == "broken"


@pytest.mark.parametrize("settings", [{"external": {"email": False}}, {}, [], {"external": None}])
def test_a_project_without_e_mail_is_broken(settings: Any) -> None:
    with told(settings) as other:
        assert findings(other.url)["sign-in"].state == "broken"


def test_a_project_that_takes_nobody_new_is_told() -> None:
    with told({"external": {"email": True}, "disable_signup": True}) as other:
        assert findings(other.url)["sign-in"].state == "warning"


def test_nobody_there_is_unreachable() -> None:
    with told({}) as gone:
        url = gone.url
    assert findings(url)["sign-in"].state == "unreachable"
