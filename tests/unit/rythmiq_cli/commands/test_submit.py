"""`rythmiq submit`, in this process, against a small real service."""

import json
from pathlib import Path

import jwt
import pytest

from rythmiq_cli.output import ExitCode
from tests.support.client_stub import USER, Stub, running_stub, stub
from tests.support.command_stub import SECRET, at, cloud_in, command, ends_with, photo, somewhere_else, submitted

__all__ = ["photo", "somewhere_else", "stub"]


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
