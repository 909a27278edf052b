"""What is deployed is what runs: each bundle, unpacked into an empty directory, by the platform's launcher protocol.

The interpreter is a clean one: isolated, without this environment's packages. Events are made (`events`).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from rythmiq_cli.bundles import MAX_UNPACKED_BYTES, MAX_ZIPPED_BYTES, Bundle
from rythmiq_cli.local.functions import FunctionProcess
from rythmiq_cli.operator.env_check import FUNCTIONS
from tests.bundles.events import MACHINE_SECRET, USER, environment, token, upload_event, web_event

ROOT = Path(__file__).parents[2]
ONE_CALL = Path(__file__).with_name("one_call.py")
JOB = "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
FAILED = {
    "camber_job_id": None,
    "job_id": JOB,
    "attempt": 1,
    "status": "failed",
    "result": {
        "status": "failed",
        "job_id": JOB,
        "error": {"code": "DECODE_FAILED", "stage": "decode", "message": "no picture", "retryable": False},
    },
}
UNCONFIGURED = {"api/portals": 200, "api/app": 200, "api/health": 200}
HEAVY = {"boto3", "numpy", "PIL", "cv2", "supabase", "psycopg", "rich", "click", "rythmiq_worker", "rythmiq_cli"}


def events(issuer: str) -> dict[str, tuple[dict[str, Any], int]]:
    """For each function an event that reaches its use case, and the status of the answer."""
    signed_in = {"authorization": f"Bearer {token(issuer)}"}
    machine = {"x-webhook-secret": MACHINE_SECRET}
    return {
        "api/uploads": (upload_event(issuer), 201),
        "api/jobs": (web_event("GET", query="limit=5", headers=signed_in), 200),
        "api/portals": (web_event("GET", "/neet-2026"), 200),
        "api/account": (web_event("GET", headers=signed_in), 200),
        "api/health": (web_event("GET"), 200),
        "api/app": (web_event("GET", "/openapi.json"), 200),
        "internal/webhooks": (web_event("POST", "/camber", body=FAILED, headers=machine), 404),
        "internal/reconcile": ({}, 200),
        "internal/metrics": (web_event("GET"), 401),
    }


def function_environ(name: str, supabase_url: str) -> dict[str, str]:
    """What project.yml gives this function."""
    known = FUNCTIONS[name].reads.variables().values()
    return {variable: environment(supabase_url).get(variable, "-") for variable in known}


READ_ONLY = """mount --bind /tmp /tmp && mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" &&
mount -o remount,bind,ro / && exec "$@\""""
"""As on the platform: only /tmp may be written, and not where the bundle lies."""


@cache
def read_only(directory: Path) -> list[str]:
    """What runs a command so; nothing where a user may make no name spaces."""
    prefix = ["unshare", "-rm", "sh", "-c", READ_ONLY, str(directory)]
    may = (
        shutil.which("unshare") and subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode == 0
    )
    return prefix if may else []


def called_once(directory: Path, event: dict[str, Any], environ: dict[str, str], tmp_path: Path) -> dict[str, Any]:
    """One cold start in a process of its own, with nothing to write to but /tmp: the answer, its cost, its modules."""
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event), encoding="utf-8")
    done = subprocess.run(
        [*read_only(directory), sys.executable, "-I", "-S", "-B", ONE_CALL, directory, file, "--closure"],
        env={"PATH": os.defpath, "__OW_API_HOST": "https://faas.example", "__OW_NAMESPACE": "fn-1", **environ},
        check=True,
        capture_output=True,
        text=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def tree(directory: Path) -> dict[str, str]:
    """Every file of a directory with its content's hash."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


# --- the zips ----------------------------------------------------------------


def test_every_function_has_its_bundle(bundles: dict[str, Bundle]) -> None:
    assert set(bundles) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_bundle_keeps_within_its_size(bundles: dict[str, Bundle], name: str) -> None:
    assert bundles[name].path.stat().st_size <= MAX_ZIPPED_BYTES
    assert bundles[name].unpacked_bytes <= MAX_UNPACKED_BYTES


@pytest.mark.parametrize(
    "left_out",
    ["**/RECORD", "**/site-packages/bin/*", "rythmiq/client/*", "**/site-packages/cffi/*", "**/botocore/data/*"],
)
def test_a_bundle_holds_nothing_of_its_builder_and_nothing_that_no_function_imports(
    unpacked: dict[str, Path], left_out: str
) -> None:
    """RECORD has hashes of scripts that name the interpreter which installed them."""
    assert not list(unpacked["api/jobs"].glob(left_out))


def test_bytecode_is_never_compared_with_its_source(unpacked: dict[str, Path]) -> None:
    """The file system is read-only: bytecode that is not trusted is compiled anew at every cold start."""
    compiled = sorted(unpacked["api/uploads"].rglob("*.pyc"))
    sources = [path for path in unpacked["api/uploads"].rglob("*.py") if path.parent.name != "bin"]
    assert len(compiled) == len(sources) - 1  # the function's own __main__.py, which the platform renames
    assert {path.read_bytes()[4:8] for path in compiled} == {b"\x01\x00\x00\x00"}  # PEP 552: hash, unchecked


def test_a_cold_start_is_tried_where_only_tmp_can_be_written(unpacked: dict[str, Path], tmp_path: Path) -> None:
    directory = unpacked["api/health"]
    if not read_only(directory):
        pytest.skip("no name spaces for users here: bundles are called in a tree that can be written")
    for path, may in (
        (directory / "made", False),
        (Path.home() / f"{tmp_path.name}-made", False),
        (tmp_path / "made", True),
    ):
        touch = [*read_only(directory), "touch", str(path)]
        assert (subprocess.run(touch, check=False, capture_output=True).returncode == 0) == may, path


# --- answers -----------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_answers_from_its_bundle(
    unpacked: dict[str, Path], data_api: tuple[str, list[str]], name: str
) -> None:
    url, _ = data_api
    event, status = events(url)[name]
    package, function = name.split("/")
    before = tree(unpacked[name])
    with FunctionProcess(
        unpacked[name], package, function, function_environ(name, url), logs=subprocess.DEVNULL, init_timeout_s=60
    ) as process:
        first, again = (process.invoke(event, timeout_s=60) for _ in range(2))
    assert (first["statusCode"], again["statusCode"]) == (status, status)
    assert "error" not in first
    assert tree(unpacked[name]) == before


@pytest.mark.parametrize("body", ["as text", "as base64"])
def test_an_upload_is_signed_however_the_body_arrives(
    unpacked: dict[str, Path], data_api: tuple[str, list[str]], body: str
) -> None:
    url, calls = data_api
    environ = function_environ("api/uploads", url)
    with FunctionProcess(
        unpacked["api/uploads"], "api", "uploads", environ, logs=subprocess.DEVNULL, init_timeout_s=60
    ) as process:
        answer = process.invoke(upload_event(url, as_base64=body == "as base64"), timeout_s=60)["body"]
    assert answer["raw_path"].startswith(f"raw/{USER}/{answer['job_id']}/")
    assert answer["upload"]["headers"]["Content-Length"] == str(2_000_000 + 124)
    assert "X-Amz-Signature=" in answer["upload"]["url"]
    assert calls == ["upload_create"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_without_configuration_says_so_or_needs_none(
    unpacked: dict[str, Path], name: str, tmp_path: Path
) -> None:
    event = events("http://127.0.0.1:9")[name][0]
    told = called_once(unpacked[name], event, {}, tmp_path)["answer"]
    if name == "internal/reconcile":
        assert told["statusCode"] >= 500
        return
    assert told["statusCode"] == UNCONFIGURED.get(name, 503)
    if name not in UNCONFIGURED:
        assert told["body"]["code"] == "NOT_CONFIGURED"


def test_an_options_request_is_the_function_s_own(unpacked: dict[str, Path], tmp_path: Path) -> None:
    headers = {"origin": "https://app.example.com", "access-control-request-method": "POST"}
    environ = {**function_environ("api/uploads", "http://127.0.0.1:9"), "ALLOWED_ORIGINS": "https://app.example.com"}
    told = called_once(unpacked["api/uploads"], web_event("OPTIONS", headers=headers), environ, tmp_path)["answer"]
    assert told["statusCode"] == 204
    assert told["headers"]["Access-Control-Allow-Origin"] == "https://app.example.com"


# --- what a cold start loads -------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_cold_start_runs_bytecode_of_the_bundle_and_fits_its_memory(
    bundles: dict[str, Bundle],
    unpacked: dict[str, Path],
    data_api: tuple[str, list[str]],
    name: str,
    tmp_path: Path,
) -> None:
    url, _ = data_api
    event, status = events(url)[name]
    told = called_once(unpacked[name], event, function_environ(name, url), tmp_path)
    assert told["answer"]["statusCode"] == status
    own = {module: at for module, at in told["modules"].items() if at[0].startswith(str(unpacked[name]))}
    assert "rythmiq.wiring" in own
    compiled = {cached for origin, cached in own.values() if origin.endswith(".py")}
    missing = [cached for cached in compiled if not Path(cached).is_file()]
    assert not missing
    assert not {module.partition(".")[0] for module in told["modules"]} & HEAVY
    outside = [at[0] for at in told["modules"].values() if "site-packages" in at[0] and at not in own.values()]
    assert not outside
    # On the platform the unpacked files lie in memory that counts as the function's.
    assert told["peak_mb"] + bundles[name].unpacked_bytes / 1e6 <= memory_mb(name)


def memory_mb(name: str) -> int:
    """What project.yml declares."""
    package, function = name.split("/")
    project = yaml.safe_load((ROOT / "project.yml").read_text(encoding="utf-8"))
    functions = next(entry["functions"] for entry in project["packages"] if entry["name"] == package)
    return int(next(entry["limits"]["memory"] for entry in functions if entry["name"] == function))
