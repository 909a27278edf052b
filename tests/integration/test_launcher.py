"""The launcher: real workers on a small picture, a store that checks signatures, a webhook over real HTTP."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.keys import result_key
from rythmiq.crypto import open_sealed, parse_header
from rythmiq.crypto.key_ring import KeyRing
from tests.support.launch_run import KEYS, RING, USERS_RING, WEBHOOK_SECRET, Order, is_alive, until
from tests.support.webhook_receiver import Receiver
from tests.support.worker_run import ROOT, WORKER_PYTHON, Job, environ_for
from tests.support.worker_uploads import blank


@pytest.fixture
def order(store: SpacesStore, receiver: Receiver, tmp_path: Path) -> Order:
    """A sealed job that succeeds, its dispatch object in place."""
    order = Order(Job(store), receiver, tmp_path)
    order.upload(blank(300))
    order.put()
    return order


@pytest.fixture
def plain(store: SpacesStore, receiver: Receiver, tmp_path: Path) -> Order:
    """A job without encryption, where there is no key ring."""
    order = Order(Job(store, sealed=False), receiver, tmp_path, ring=None)
    order.upload(blank(300))
    order.put()
    return order


def test_a_job_runs_from_its_dispatch_object_to_the_webhook(order: Order) -> None:
    """What the worker wrote opens under the job's own data key, and says under which it was wrapped."""
    done = order.run()
    assert done.exit_code == 0
    success = order.success()
    key = success.artifacts.document_path
    sealed = order.store.fetch_object(key, max_bytes=1_000_000)
    assert open_sealed(sealed, storage_key=key, data_key=order.data_key.data_key)[:2] == b"\xff\xd8"
    assert parse_header(sealed).wrapped_key == order.data_key.wrapped_key
    assert "20261125T010203Z" in key
    webhook = order.webhook()
    assert (webhook.camber_job_id, webhook.job_id, webhook.attempt) == (None, order.job.job_id, 1)
    told = order.receiver.told[0].body["result"]
    assert set(told["artifacts"]) == {"master_path", "preview_path", "before_path", "document_path"}
    assert told["metrics"]["ocr_confidence"] is None


def test_code_stage_and_ids_are_framed_on_stdout_and_nothing_else(order: Order) -> None:
    assert order.run().frame == {
        "user_id": order.job.user_id,
        "job_id": order.job.job_id,
        "attempt": 1,
        "status": "success",
        "code": None,
        "stage": None,
        "reason": None,
        "stored": True,
        "webhook": "delivered",
    }


def test_the_module_runs_as_the_command_does(order: Order) -> None:
    done = subprocess.run(
        [WORKER_PYTHON, "-m", "rythmiq_worker.launcher", *order.words],
        env={"PATH": os.environ["PATH"], **environ_for(order.store.config), **order.environ},
        cwd=order.folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert order.success().job_id == order.job.job_id


def test_a_failure_of_the_workers_travels_as_it_is(order: Order) -> None:
    """The launcher invents nothing where the worker keeps its contract."""
    order.upload(b"not a picture")
    done = order.run()
    assert (done.exit_code, order.failure().error.code) == (0, "DECODE_FAILED")
    assert (done.frame["status"], done.frame["code"], done.frame["stage"]) == ("failed", "DECODE_FAILED", "decode")


def test_a_misconfigured_worker_reports_that_itself(order: Order) -> None:
    """The launcher reads only what it needs of the worker's variables."""
    order.environ["MAX_PAGES"] = "many"
    assert order.run().exit_code == 0
    error = order.failure().error
    assert (error.code, error.stage) == ("INTERNAL_ERROR", "init")
    assert "MAX_PAGES" in error.message


def test_an_upload_under_another_key_opens_with_that_key(order: Order) -> None:
    """As when the source is a master of an earlier job."""
    other = USERS_RING.mint(order.job.user_id)
    keys = {
        "kid": order.data_key.kid,
        "wrapped_key": order.data_key.wrapped_key_text,
        "data_key": order.data_key.data_key_text,
        "input_data_key": other.data_key_text,
    }
    order.put(order.dispatch(encryption=keys))
    own, order.data_key = order.data_key, other
    order.upload(blank(300))
    order.data_key = own
    order.run()
    key = order.success().artifacts.document_path
    assert open_sealed(order.store.fetch_object(key, max_bytes=1_000_000), storage_key=key, data_key=own.data_key)


def test_the_result_object_stands_before_the_webhook_is_sent(order: Order, receiver: Receiver) -> None:
    """So that a lost webhook loses nothing."""
    seen = []
    receiver.on_webhook = lambda: seen.append(order.result())
    order.run()
    assert seen == [order.webhook()]


def test_the_result_object_is_the_services_and_no_clients(order: Order) -> None:
    """It opens at its own key only, and not under the data key that the client holds."""
    order.run()
    prefix = f"output/{order.job.user_id}/{order.job.job_id}"
    data = order.store.fetch_object(f"{prefix}/result-a1.json.enc", max_bytes=1_000_000)
    assert parse_header(data).service
    with pytest.raises(Exception, match="service object"):
        open_sealed(data, storage_key=f"{prefix}/result-a1.json.enc", data_key=order.data_key.data_key)
    with pytest.raises(Exception, match="another place"):
        RING.open_service(data, storage_key=f"{prefix}/result-a2.json.enc")


# --- what the worker may know ---------------------------------------------------------------------------------------


def test_the_live_workers_environment_and_command_line_hold_no_key_and_no_secret(order: Order) -> None:
    """Read from /proc while it waits: a short list of names, no KEK, no webhook secret or token, no data key."""
    os.mkfifo(order.folder / "gate")
    order.environ |= {"AWS_SECRET_ACCESS_KEY": "elsewhere", "SUPABASE_JWT_SECRET": "jwt"}
    with order.started("worker_waits.py") as process:
        until((order.folder / "waiting-pid").exists)
        pid = int((order.folder / "waiting-pid").read_text(encoding="ascii"))
        environ = Path(f"/proc/{pid}/environ").read_bytes().decode()
        commands = [Path(f"/proc/{number}/cmdline").read_bytes().decode() for number in (pid, process.pid)]
        (order.folder / "gate").open("wb").close()
        done = order.ended(process)
    assert done.exit_code == 0
    assert order.success().job_id == order.job.job_id
    key = order.data_key
    secrets = [KEYS.partition(":")[2], WEBHOOK_SECRET, order.token, "elsewhere", "jwt"]
    secrets += [base64.b64encode(key.data_key).decode(), key.data_key.hex(), base64.b64encode(key.wrapped_key).decode()]
    assert not [secret for secret in secrets for text in (environ, *commands) if secret in text]
    names = {variable.partition("=")[0] for variable in environ.split("\0") if variable}
    assert names == {
        *("SPACES_ENDPOINT", "SPACES_REGION", "SPACES_BUCKET", "SPACES_KEY", "SPACES_SECRET"),
        *("PATH", "PYTHONPATH", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8"),
    }


def test_the_command_lines_say_what_the_processes_are(order: Order) -> None:
    """And consist of what Camber cannot expand."""
    with order.started() as process:
        command = Path(f"/proc/{process.pid}/cmdline")
        until(lambda: b"rythmiq-launch" in command.read_bytes())
        words = command.read_bytes().decode().rstrip("\0").split("\0")
        assert [words[1].rpartition("/")[2], *words[2:]] == ["rythmiq-launch", *order.words]
        assert re.fullmatch(r"[A-Za-z0-9_./= -]+", " ".join(words[1:]))
        order.ended(process)
    assert order.success().job_id == order.job.job_id


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_launchers_memory_and_environment_are_closed_to_its_own_user() -> None:
    """The worker runs as the same user and parses what strangers send."""
    script = (
        "import ctypes, resource; from rythmiq_worker.launcher.process import harden; harden();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    done = subprocess.run([WORKER_PYTHON, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0 (0, 0)\n"


def test_nothing_is_left_on_disk(order: Order) -> None:
    """Neither plaintext nor anything else."""
    order.run()
    assert list(order.folder.iterdir()) == []


# --- who may tell it what to run ------------------------------------------------------------------------------------


def refused(order: Order) -> str:
    """The reason for which a dispatch object is refused: no worker, no webhook, no result."""
    done = order.run()
    assert (done.exit_code, done.stdout, order.receiver.told) == (65, "", [])
    assert "worker_ended" not in done.stderr
    return str(done.event("refused")["reason"])


def test_a_missing_dispatch_object_is_an_abandoned_attempt(order: Order) -> None:
    """A quiet end: the fence holds, and nobody is told."""
    order.store.delete_object(order.key)
    done = order.run()
    assert (done.exit_code, done.stdout, order.receiver.told) == (66, "", [])
    assert [event["event"] for event in done.events] == ["launch", "store_trouble", "abandoned", "exit"]


def test_a_dispatch_object_in_the_plain_is_refused_where_there_are_keys(order: Order) -> None:
    order.put_bytes(order.dispatch().model_dump_json().encode())
    assert refused(order) == "not_encrypted"


def test_a_dispatch_object_that_a_client_sealed_is_refused(order: Order) -> None:
    """Under its own data key, which the ring would unwrap; and with the service's flag set."""
    forged = order.job.seal(order.dispatch().model_dump_json().encode(), order.key, data_key=order.data_key.data_key)
    forged = forged[:6] + order.data_key.kid.to_bytes(2, "big") + order.data_key.wrapped_key + forged[48:]
    order.put_bytes(forged)
    assert refused(order) == "malformed"
    order.put_bytes(forged[:5] + b"\x01" + forged[6:])
    assert refused(order) == "wrong_key"


def test_a_dispatch_object_of_another_job_is_refused(order: Order, receiver: Receiver, tmp_path: Path) -> None:
    """Copied to this job's key it does not open."""
    other = Order(Job(order.store), receiver, tmp_path)
    other.put()
    order.put_bytes(order.store.fetch_object(other.key, max_bytes=1_000_000))
    assert refused(order) == "wrong_key"


@pytest.mark.parametrize(
    "changed",
    [
        {"job_id": "11111111-1111-4111-8111-111111111111"},
        {"user_id": "11111111-1111-4111-8111-111111111111"},
        {"attempt": 2},
    ],
)
def test_a_dispatch_object_that_says_another_attempt_is_refused(order: Order, changed: dict[str, object]) -> None:
    """Also when the service itself sealed it for this place."""
    order.put(order.dispatch(**changed))
    assert refused(order) == "another_attempt"


def test_a_dispatch_object_that_is_no_dispatch_is_refused(order: Order) -> None:
    order.put_bytes(RING.seal_service(b'{"hello": "world"}', storage_key=order.key))
    assert refused(order) == "malformed"


def test_a_dispatch_object_under_an_unknown_key_is_refused(order: Order) -> None:
    stranger = KeyRing.parse(KeyRing.new_entry(9))
    order.put_bytes(stranger.seal_service(order.dispatch().model_dump_json().encode(), storage_key=order.key))
    assert refused(order) == "unknown_kid"


def test_a_dispatch_object_under_another_key_of_that_number_is_refused(order: Order) -> None:
    stranger = KeyRing.parse(KeyRing.new_entry(3))
    order.put_bytes(stranger.seal_service(order.dispatch().model_dump_json().encode(), storage_key=order.key))
    assert refused(order) == "wrong_key"


def test_a_dispatch_object_that_was_changed_is_refused(order: Order) -> None:
    data = order.store.fetch_object(order.key, max_bytes=1_000_000)
    order.put_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert refused(order) == "tampered"


def test_the_result_goes_back_under_the_key_that_the_order_came_under(order: Order) -> None:
    """So that during a rotation the API alone says which key is used."""
    newer = KeyRing.new_entry(4)
    order.environ["DISPATCH_KEYS"] = f"{newer},{KEYS}"
    assert order.run().exit_code == 0
    key = result_key(order.job.user_id, order.job.job_id, 1)
    assert parse_header(order.store.fetch_object(key, max_bytes=1_000_000)).kid == RING.current_kid
    assert order.success().job_id == order.job.job_id


def test_a_plaintext_job_runs_where_plaintext_is_allowed(plain: Order) -> None:
    """Without a ring on loopback: dispatch object, artifacts and result are plain."""
    assert plain.run().exit_code == 0
    success = plain.success()
    assert success.warnings[0].startswith("PLAINTEXT")
    assert not success.artifacts.document_path.endswith(".enc")


def test_a_sealed_dispatch_object_is_refused_where_there_are_no_keys(plain: Order) -> None:
    plain.put_bytes(RING.seal_service(plain.dispatch().model_dump_json().encode(), storage_key=plain.key))
    assert refused(plain) == "malformed"


def test_a_plain_dispatch_object_is_not_even_fetched_where_plaintext_is_not_allowed(plain: Order) -> None:
    """The worker's own rule, before anything is asked of the store."""
    plain.environ = {"SPACES_ENDPOINT": "http://store.invalid", "SERVICE_ENV": "prod", "ALLOW_PLAINTEXT": "yes"}
    done = plain.run()
    assert (done.exit_code, done.stdout, plain.receiver.told) == (78, "", [])
    assert "DISPATCH_KEYS is not set" in done.event("misconfigured")["problems"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["one"],
        ["{user}", "{job}"],
        ["{user}", "{job}", "0"],
        ["{user}", "{job}", "01"],
        ["{user}", "{job}", "1001"],
        ["{user}", "{job}", "1", "2"],
        ["{user}", "$(id)", "1"],
        ["../{user}", "{job}", "1"],
        ["{user}", "{job}\n", "1"],
    ],
)
def test_a_command_line_outside_the_grammar_is_refused(words: list[str]) -> None:
    """Before anything is read, with nothing of it repeated."""
    ids = {"user": "4fa85f64-5717-4562-b3fc-2c963f66afa6", "job": "5fa85f64-5717-4562-b3fc-2c963f66afa6"}
    done = subprocess.run(
        [WORKER_PYTHON, "-m", "rythmiq_worker.launcher", *(word.format(**ids) for word in words)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(done.stderr) == {"event": "usage", "wanted": "rythmiq-launch {user_id} {job_id} {attempt}"}


@pytest.mark.parametrize("keys", ["3:short", "nonsense", "3:" + "A" * 44])
def test_a_ring_that_cannot_be_read_is_named_and_not_shown(order: Order, keys: str) -> None:
    order.environ["DISPATCH_KEYS"] = keys
    done = order.run()
    assert done.exit_code == 78
    assert "DISPATCH_KEYS" in done.event("misconfigured")["problems"]
    assert keys not in done.stderr


def test_the_launcher_takes_little_memory_beside_the_worker() -> None:
    """It imports nothing that touches pixels, and no boto3 client."""
    script = "import sys; import rythmiq_worker.launcher; print(*sys.modules)"
    done = subprocess.run([WORKER_PYTHON, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"numpy", "cv2", "PIL", "boto3", "onnxruntime", "img2pdf", "jwt", "psycopg", "rythmiq_cli"}
    assert "rythmiq.portals" not in done.stdout.split()


def test_a_worker_dies_with_its_launcher(order: Order) -> None:
    """Also when that is killed and can do nothing about it."""
    with order.started("worker_hangs.py") as process:
        until((order.folder / "hanging-pids").exists)
        worker, helper = map(int, (order.folder / "hanging-pids").read_text(encoding="ascii").split())
        process.kill()
        until(lambda: not is_alive(worker))
    os.kill(helper, 9)  # it left the worker's session on purpose: only a launcher that lives finds it
