"""`rythmiq token`: for a cloud on this machine, and for no other."""

import json
from pathlib import Path

import jwt
import pytest

from rythmiq_cli.output import ExitCode
from tests.support.client_stub import USER, Stub, stub
from tests.support.command_stub import SECRET, cloud_in, command, somewhere_else

__all__ = ["somewhere_else", "stub"]


def test_a_token_is_minted_for_a_cloud_on_this_machine(stub: Stub, tmp_path: Path) -> None:
    done = command("token", "--user", USER.upper(), "--ttl-s", "60", "--cloud", cloud_in(tmp_path / "c", stub))
    claims = jwt.decode(done.stdout.strip(), SECRET, algorithms=["HS256"], audience="authenticated")
    assert (claims["sub"], claims["exp"] - claims["iat"]) == (USER, 60)


def test_a_token_may_be_minted_from_the_functions_own_variables() -> None:
    variables = {"SUPABASE_URL": "http://127.0.0.1:9", "SUPABASE_JWT_SECRET": SECRET, "SERVICE_ENV": "dev"}
    done = command("token", "--user", USER, "--json", **variables)
    told = json.loads(done.stdout)
    assert jwt.decode(told["token"], SECRET, algorithms=["HS256"], audience="authenticated")["sub"] == USER
    assert told["expires_in_s"] == 3600


def test_a_short_secret_signs_without_a_warning() -> None:
    variables = {"SUPABASE_URL": "http://127.0.0.1:9", "SUPABASE_JWT_SECRET": "short", "SERVICE_ENV": "dev"}
    done = command("token", "--user", USER, **variables)
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("changes", "environ", "said"),
    [
        ({"supabase_url": "https://project.supabase.co"}, {}, "for a cloud on this machine only"),
        ({"base_url": "https://rythmiq.example.com"}, {}, "for a cloud on this machine only"),
        ({"jwt_secret": None, "auth_mode": "jwks"}, {}, "JWKS"),
        ({}, {"SERVICE_ENV": "prod"}, "SERVICE_ENV=dev only"),
        ({}, {"SERVICE_ENV": "staging"}, "SERVICE_ENV=dev only"),
    ],
)
def test_no_token_is_minted_for_any_other(
    stub: Stub, tmp_path: Path, changes: dict[str, object], environ: dict[str, str], said: str
) -> None:
    folder = cloud_in(tmp_path / "cloud", stub, **changes)
    done = command("token", "--user", USER, "--cloud", folder, **environ)
    assert done.exit_code == ExitCode.USAGE
    assert said in done.stderr
    assert done.stdout == ""


def test_a_token_for_nobody_is_a_misuse() -> None:
    assert "--user is a UUID" in command("token", "--user", "me").stderr
