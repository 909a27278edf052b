"""`rythmiq submit`, `watch`, `download` and `token`, in this process, against a small real service."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner, Result

from rythmiq_cli.cloud_access import CloudFile, S3Access
from rythmiq_cli.commands import app
from rythmiq_cli.exits import ExitCode
from tests.support.client_stub import USER, Stub, running_stub

SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no cloud runs, with no variable of ours set."""
    monkeypatch.chdir(tmp_path)
    for name in ("RYTHMIQ_URL", "RYTHMIQ_TOKEN", "SERVICE_ENV", "SUPABASE_URL", "SUPABASE_JWT_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setattr("rythmiq.client.exchange.FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr("rythmiq.client.exchange.MOST_BACKOFF_S", 0.001)
    with running_stub() as stub:
        yield stub


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


# --- submit ------------------------------------------------------------------


def test_submit_prints_the_job_and_leaves_it(stub: Stub, photo: Path) -> None:
    job_id = submitted(stub, photo)
    assert stub.uploaded(job_id) == photo.read_bytes()
    assert not stub.lines(f"GET /api/jobs/{job_id}")


def test_submit_says_the_same_in_json(stub: Stub, photo: Path) -> None:
    done = at(stub, "submit", photo, "--portal", "neet-2026", "--json")
    assert json.loads(done.stdout) == {"job_id": stub.only_job().job_id, "status": "pending"}


def test_submit_with_an_output_folder_leaves_the_files_of_the_zip(stub: Stub, photo: Path, tmp_path: Path) -> None:
    done = at(stub, "submit", photo, "--portal", "neet-2026", "-o", tmp_path / "out")
    assert done.exit_code == ExitCode.OK
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["photo.jpg", "receipt.json", "text.txt"]
    assert "10-200 KB" in done.stdout


def test_submit_that_watches_ends_as_the_job_does(stub: Stub, photo: Path) -> None:
    ends_with(stub, status="completed", conforms=False, warnings=["BLURRED: hold still"])
    done = at(stub, "submit", photo, "--portal", "neet-2026", "--watch")
    assert done.exit_code == ExitCode.DOES_NOT_CONFORM
    assert "hold still" in done.stdout


def test_submit_goes_on_with_an_interrupted_job(stub: Stub, photo: Path) -> None:
    for _ in range(6):
        stub.next("POST /api/jobs", 500)
    broken = at(stub, "submit", photo, "--portal", "neet-2026", "--json")
    assert broken.exit_code == ExitCode.UNREACHABLE
    job_id = json.loads(broken.stdout)["error"]["job_id"]
    again = at(stub, "submit", photo, "--portal", "neet-2026", "--job-id", job_id)
    assert again.stdout.strip() == job_id
    assert list(stub.jobs) == [job_id]


def test_crop_and_turn_travel(stub: Stub, photo: Path) -> None:
    at(stub, "submit", photo, "--portal", "neet-2026", "--crop", "0,0,0.5,1", "--rotate", "90")
    assert json.loads(stub.seen[-1].body)["options"] == {
        "crop": {"x": 0.0, "y": 0.0, "width": 0.5, "height": 1.0},
        "rotate": 90,
    }


CHOICES = ("--face", "0.25,0.5", "--background", "white", "--caption-name", "Asha Rao", "--caption-date", "2026-11-28")


def test_every_choice_travels_where_the_services_rules_allow_it(stub: Stub, photo: Path) -> None:
    stub.rules |= {"background_edit": "allowed", "caption": "required"}
    done = at(stub, "submit", photo, "--portal", "neet-2026", "--slot", "photo", *CHOICES)
    assert done.exit_code == ExitCode.OK, done.stderr
    assert json.loads(stub.seen[-1].body)["options"] == {
        "face": {"x": 0.25, "y": 0.5},
        "background": "white",
        "caption": {"name": "Asha Rao", "date": "2026-11-28"},
    }


@pytest.mark.parametrize(
    ("flags", "slot", "said"),
    [
        (
            CHOICES[2:4],
            "photo",
            "leave --background out: the portal's rules do not allow it: no edits (https://x.org/a)",
        ),
        (CHOICES[4:], "photo", "leave --caption-name out: the portal's rules do not allow it"),
        (CHOICES[2:4], "signature", "leave --background out"),
    ],
)
def test_what_the_services_rules_do_not_allow_is_told_before_anything_is_uploaded(
    stub: Stub, photo: Path, flags: tuple[str, ...], slot: str, said: str
) -> None:
    source = {"source_url": "https://x.org/a", "source_kind": "official", "checked_on": "2026-11-28"}
    stub.rules["sources"] = {"background_edit": source | {"confidence": "high", "note": "no edits"}}
    done = at(stub, "submit", photo, "--portal", "neet-2026", "--slot", slot, *flags)
    assert done.exit_code == ExitCode.USAGE
    assert said in done.stderr
    assert "Asha" not in done.stderr
    assert not stub.lines("POST")


def test_choices_travel_for_all_pages_or_page_by_page(stub: Stub, photo: Path) -> None:
    quad = "0.1,0.1,0.9,0.1,0.9,0.9,0.1,0.9"
    square = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
    for flags, options in (
        (("--rotate", "90"), {"rotate": 90}),
        (("--rotate", "90,,180"), {"rotate": [90, None, 180]}),
        (("--page", "whole"), {"page": "whole"}),
        (("--corners", quad), {"corners": square}),
        (
            ("--corners", "-", "--corners", quad, "--page", "whole", "--page", "-"),
            {"corners": [None, square], "page": ["whole", None]},
        ),
    ):
        done = at(stub, "submit", photo, "--portal", "aadhaar-update", *flags)
        assert done.exit_code == ExitCode.OK, done.stderr
        assert json.loads(stub.seen[-1].body)["options"] == options


def test_several_files_are_one_job_named_after_the_first(stub: Stub, photo: Path, tmp_path: Path) -> None:
    back = tmp_path / "back.jpg"
    back.write_bytes(b"\xff\xd8 the back")
    done = at(stub, "submit", photo, back, "--portal", "aadhaar-update", "--slot", "document-pdf")
    asked = json.loads(stub.seen[-1].body)
    assert (done.stdout.strip(), len(asked["raw_paths"])) == (stub.only_job().job_id, 2)
    assert asked["original_filename"] == "me.jpg"
    assert [stub.uploaded(job_id) for job_id in stub.jobs] == [photo.read_bytes(), back.read_bytes()]


def test_several_files_are_together_no_larger_than_one_may_be(
    stub: Stub, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(photo.read_bytes())
    monkeypatch.setattr("rythmiq_cli.commands.submit.MAX_INPUT_BYTES", 2 * size)
    assert at(stub, "submit", photo, photo, "--portal", "aadhaar-update").exit_code == ExitCode.OK
    done = at(stub, "submit", photo, photo, photo, "--portal", "aadhaar-update")
    assert (done.exit_code, str(2 * size) in done.stderr) == (2, True)


def test_a_field_that_the_service_refuses_is_named_with_its_reason(stub: Stub, photo: Path) -> None:
    wrong = {"pointer": "/raw_paths", "code": "NOT_ALLOWED", "detail": "This slot takes no PDF."}
    stub.refuse("POST /api/jobs", 422, "INVALID_FIELD", wrong)
    done = at(stub, "submit", photo, photo, "--portal", "neet-2026", "--slot", "photo")
    assert (done.exit_code, "/raw_paths" in done.stderr) == (ExitCode.USAGE, True)
    stub.refuse("POST /api/jobs", 422, "INVALID_FIELD", wrong)
    done = at(stub, "submit", photo, photo, "--portal", "neet-2026", "--slot", "photo", "--json")
    assert json.loads(done.stdout)["error"]["errors"] == [wrong]


def test_without_such_a_choice_the_rules_are_not_asked_for(stub: Stub, photo: Path) -> None:
    submitted(stub, photo)
    assert not stub.lines("GET /api/portals")


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (401, "UNAUTHENTICATED", ExitCode.USAGE),
        (402, "NO_CREDIT", ExitCode.JOB_FAILED),
        (404, "PORTAL_UNKNOWN", ExitCode.USAGE),
        (429, "TOO_MANY_JOBS", ExitCode.JOB_FAILED),
        (503, "NOT_CONFIGURED", ExitCode.UNREACHABLE),
    ],
)
def test_a_refusal_ends_with_code_advice_and_its_exit_code(
    stub: Stub, photo: Path, status: int, code: str, exit_code: ExitCode
) -> None:
    stub.refuse("POST /api/jobs", status, code)
    done = at(stub, "submit", photo, "--portal", "neet-2026")
    assert done.exit_code == exit_code
    assert done.stderr.startswith(f"rythmiq: {code}: {code} it is")
    assert len(done.stderr.splitlines()) == 2
    assert done.stdout == ""


def test_a_refusal_in_json_is_one_document_on_stdout(stub: Stub, photo: Path) -> None:
    stub.refuse("POST /api/jobs", 402, "NO_CREDIT")
    error = json.loads(at(stub, "submit", photo, "--portal", "neet-2026", "--json").stdout)["error"]
    assert (error["code"], error["request_id"]) == ("NO_CREDIT", "req-1")
    assert error["advice"]


def test_nobody_at_the_address_ends_with_4(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rythmiq.client.exchange.FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr("rythmiq.client.exchange.MOST_BACKOFF_S", 0.001)
    with running_stub() as gone:
        url = gone.url
    done = command("submit", photo, "--portal", "neet-2026", "--url", url, "--token", "t")
    assert done.exit_code == ExitCode.UNREACHABLE
    assert "UNREACHABLE" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give --url and --token"),
        (("--url", "https://rythmiq.example.com"), "give --token"),
        (("--url", "http://rythmiq.example.com", "--token", "t"), "plain http is for this machine only"),
        (("--cloud", "nowhere"), "no cloud runs in nowhere"),
        (("--url", "https://x.example.com", "--token", "t", "--job-id", "12"), "--job-id is a UUID"),
    ],
)
def test_a_service_that_is_not_named_well_is_told(photo: Path, arguments: tuple[str, ...], said: str) -> None:
    done = command("submit", photo, "--portal", "neet-2026", *arguments)
    assert done.exit_code in {ExitCode.USAGE, ExitCode.UNREACHABLE}
    assert said in done.stderr


def test_a_cloud_on_this_machine_needs_no_token(stub: Stub, photo: Path, tmp_path: Path) -> None:
    folder = cloud_in(tmp_path / "cloud", stub)
    done = command("submit", photo, "--portal", "neet-2026", "--cloud", folder, "--user", USER)
    assert done.exit_code == ExitCode.OK, done.stderr
    shown = stub.seen[0].headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(shown, SECRET, algorithms=["HS256"], audience="authenticated")
    assert (claims["sub"], claims["role"], claims["iss"]) == (USER, "authenticated", f"{stub.url}/auth/v1")


def test_a_cloud_that_runs_here_is_found(stub: Stub, photo: Path, tmp_path: Path) -> None:
    cloud_in(tmp_path / ".rythmiq-cloud", stub)
    assert command("submit", photo, "--portal", "neet-2026").exit_code == ExitCode.OK


# --- watch -------------------------------------------------------------------


def test_watch_ends_with_0_and_the_receipt_when_all_conforms(stub: Stub, photo: Path) -> None:
    done = at(stub, "watch", submitted(stub, photo))
    assert done.exit_code == ExitCode.OK
    assert "conforms" in done.stdout


def test_watch_in_json_shows_no_key_and_no_link(stub: Stub, photo: Path) -> None:
    job = json.loads(at(stub, "watch", submitted(stub, photo), "--json").stdout)
    assert (job["status"], job["conforms"]) == ("completed", True)
    assert not {"encryption", "links", "artifacts"} & set(job)


def test_watch_ends_with_3_when_the_job_fails(stub: Stub, photo: Path) -> None:
    error = {"code": "DECODE_FAILED", "stage": "decode", "message": "no picture", "retryable": False}
    ends_with(stub, status="failed", error=error)
    job_id = submitted(stub, photo)
    done = at(stub, "watch", job_id)
    assert done.exit_code == ExitCode.JOB_FAILED
    assert f"DECODE_FAILED: no picture (job {job_id})" in done.stderr
    told = json.loads(at(stub, "watch", job_id, "--json").stdout)
    assert (told["status"], told["error"]["code"], told["error"]["stage"]) == ("failed", "DECODE_FAILED", "decode")


def test_watch_gives_up_in_time_and_leaves_the_job(stub: Stub, photo: Path) -> None:
    ends_with(stub, status="processing", stage="ocr")
    done = at(stub, "watch", submitted(stub, photo), "--timeout-s", "0.01")
    assert done.exit_code == ExitCode.UNREACHABLE
    assert "still processing" in done.stderr
    assert not stub.lines("DELETE")


def test_ctrl_c_while_watching_says_how_to_go_on(stub: Stub, photo: Path) -> None:
    ends_with(stub, status="processing", stage="ocr")
    job_id = submitted(stub, photo)
    looked = threading.Event()
    answer = stub.answer

    def noticing(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> object:
        looked.set()
        return answer(method, path, query, headers, body)

    stub.answer = noticing  # type: ignore[assignment, method-assign]  # looks, and answers the same
    process = subprocess.Popen(
        [sys.executable, "-m", "rythmiq_cli.main", "watch", job_id, "--url", stub.url, "--token", "t"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert looked.wait(60)
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert said.strip() == f"rythmiq: the job goes on; see `rythmiq watch {job_id}`"
    assert printed == ""


# --- download ----------------------------------------------------------------


def test_download_leaves_every_file_of_the_zip(stub: Stub, photo: Path, tmp_path: Path) -> None:
    done = at(stub, "download", submitted(stub, photo), "-o", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["files"] == ["photo.jpg", "receipt.json", "text.txt"]
    assert (tmp_path / "out" / "photo.jpg").read_bytes() == b"the document"


@pytest.mark.parametrize(
    ("only", "name"),
    [
        ("document", "photo.jpg"),
        ("preview", "preview.jpg"),
        ("before", "before.jpg"),
        ("output", "output.zip"),
        ("text", "text.txt"),
    ],
)
def test_download_of_one_file_leaves_that_one(stub: Stub, photo: Path, tmp_path: Path, only: str, name: str) -> None:
    done = at(stub, "download", submitted(stub, photo), "-o", tmp_path / "out", "--only", only)
    assert done.stdout.strip() == str(tmp_path / "out" / name)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_names_that_lead_elsewhere_are_not_written(stub: Stub, photo: Path, tmp_path: Path) -> None:
    stub.more_in_zip = {"../escaped.txt": b"x", "/tmp/escaped.txt": b"x", "sub/dir.txt": b"x"}  # noqa: S108  that is the point
    at(stub, "download", submitted(stub, photo), "-o", tmp_path / "a" / "out")
    assert sorted(path.name for path in (tmp_path / "a").rglob("*") if path.is_file()) == [
        "photo.jpg",
        "receipt.json",
        "text.txt",
    ]


def test_download_of_a_job_that_goes_on_is_told(stub: Stub, photo: Path, tmp_path: Path) -> None:
    ends_with(stub, status="processing")
    done = at(stub, "download", submitted(stub, photo), "-o", tmp_path / "out")
    assert done.exit_code == ExitCode.USAGE
    assert "FILE_MISSING" in done.stderr


def test_download_of_a_failed_job_says_why_it_failed(stub: Stub, photo: Path, tmp_path: Path) -> None:
    ends_with(stub, status="failed", error={"code": "OCR_FAILED", "message": "crashed"})
    done = at(stub, "download", submitted(stub, photo), "-o", tmp_path / "out")
    assert done.exit_code == ExitCode.JOB_FAILED
    assert "OCR_FAILED" in done.stderr


# --- token -------------------------------------------------------------------


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


# --- delete ------------------------------------------------------------------


def test_delete_removes_a_job_and_an_upload(stub: Stub, photo: Path) -> None:
    job_id = submitted(stub, photo)
    done = at(stub, "delete", job_id, "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"deleted": "job", "job_id": job_id})
    assert at(stub, "delete", job_id, "--upload").stdout == f"deleted {job_id}\n"
    assert stub.lines("DELETE") == [f"DELETE /api/jobs/{job_id}", f"DELETE /api/uploads/{job_id}"]


def test_delete_of_a_job_that_is_processed_is_refused_with_advice(stub: Stub, photo: Path) -> None:
    job_id = submitted(stub, photo)
    stub.refuse("DELETE", 409, "JOB_PROCESSING")
    done = at(stub, "delete", job_id)
    assert done.exit_code == ExitCode.USAGE
    assert "JOB_PROCESSING" in done.stderr
    assert at(stub, "delete", "x").exit_code == ExitCode.USAGE
