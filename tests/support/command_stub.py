"""The `rythmiq` command in this process, against a small real service, where no cloud runs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rythmiq_cli.commands import app
from rythmiq_cli.output import ExitCode
from rythmiq_cli.service import CloudFile, S3Access
from tests.support.client_stub import Stub

SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no cloud runs, with no variable of ours set."""
    monkeypatch.chdir(tmp_path)
    for name in ("RYTHMIQ_URL", "RYTHMIQ_TOKEN", "SERVICE_ENV", "SUPABASE_URL", "SUPABASE_JWT_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "me.jpg"
    path.write_bytes(b"\xff\xd8 a photo")
    return path


def command(*arguments: object, **environ: str) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200", **environ})


def at(stub: Stub, *arguments: object) -> Result:
    """A command of somebody who has signed in."""
    return command(*arguments, RYTHMIQ_URL=stub.url, RYTHMIQ_TOKEN="token-1")


def submitted(stub: Stub, photo: Path) -> str:
    done = at(stub, "submit", photo, "--portal", "neet-2026", "--slot", "photo")
    assert done.exit_code == ExitCode.OK, done.stderr
    return done.stdout.strip()


def ends_with(stub: Stub, **step: object) -> None:
    """What every job of the stub has become."""
    stub.steps = [step]


def cloud_in(folder: Path, stub: Stub, **changes: object) -> Path:
    """The file that a running cloud leaves."""
    file = CloudFile(
        base_url=stub.url,
        database_url="postgresql://127.0.0.1/x",
        s3=S3Access(endpoint="http://127.0.0.1:1", region="r", bucket="b", access_key="a", secret_key="s"),
        webhook_secret="w",
        reconcile_secret="r",
        metrics_token="m",
        encryption_keys="k",
        dispatch_keys="d",
        pid=1,
        supabase_url=stub.url,
        jwt_secret=SECRET,
        auth_mode="secret",
        page_url=f"{stub.url}/app",
        upload_method="put",
    )
    folder.mkdir(parents=True, exist_ok=True)
    file.model_copy(update=changes).write(folder)
    return folder
