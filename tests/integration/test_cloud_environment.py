"""What each part of the local cloud is given: as project.yml deploys it, and what the environment sets wins."""

import json
import re
import socket
import stat
from pathlib import Path

import pytest

from rythmiq.adapters.spaces import StoreConfig
from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.local.environment import (
    Ports,
    Secrets,
    cloud_values,
    executor_environ,
    function_environ,
    refused,
    store_keys,
)
from rythmiq_cli.operator.env_check import FUNCTIONS
from rythmiq_cli.service import CloudFile, CloudFileError, S3Access

PROJECT = (Path(__file__).parents[2] / "project.yml").read_text(encoding="utf-8")
STORE = StoreConfig("http://127.0.0.1:1", "sgp1", "rythmiq", "access", "secret-of-the-store")
SECRETS = Secrets(
    webhook_secret="generated-webhook",
    reconcile_secret="generated-reconcile",
    metrics_token="generated-metrics",
    encryption_keys="generated-keys",
    dispatch_keys="generated-dispatch-keys",
    jwt_secret="generated-jwt",
)
PLACES = {"DATABASE_URL": "postgresql://local", "PUBLIC_URL": "http://127.0.0.1:2"}


def deployed() -> dict[str, float]:
    """Functions of project.yml and their timeouts in seconds."""
    package, name, found = "", "", {}
    for line in PROJECT.splitlines():
        if match := re.fullmatch(r"  - name: (\w+)", line):
            package = match[1]
        elif match := re.fullmatch(r"      - name: (\w+)", line):
            name = match[1]
        elif match := re.fullmatch(r"          timeout: (\d+)", line):
            found[f"{package}/{name}"] = int(match[1]) / 1_000
    return found


def test_functions_and_their_timeouts_are_those_of_the_deploy_manifest() -> None:
    assert {path: function.timeout_s for path, function in FUNCTIONS.items()} == deployed()


@pytest.mark.parametrize("path", FUNCTIONS)
def test_a_function_is_given_what_it_reads_and_nothing_else(path: str) -> None:
    given = function_environ(path, cloud_values({}, SECRETS, STORE, PLACES))
    assert given.keys() <= set(FUNCTIONS[path].reads.variables().values())


def test_the_webhook_secret_is_given_to_those_alone_who_send_or_take_webhooks() -> None:
    values = cloud_values({}, SECRETS, STORE, PLACES)
    holders = {path for path in FUNCTIONS if "WEBHOOK_SECRET" in function_environ(path, values)}
    assert holders == {"api/jobs", "internal/webhooks", "internal/reconcile"}
    assert "WEBHOOK_SECRET" not in executor_environ({}, values)
    assert "DATABASE_URL" not in executor_environ({}, values)


def test_the_reconcile_secret_is_given_to_the_function_that_ticks_alone() -> None:
    values = cloud_values({}, SECRETS, STORE, PLACES)
    assert [path for path in FUNCTIONS if "RECONCILE_SECRET" in function_environ(path, values)] == [
        "internal/reconcile"
    ]
    assert "RECONCILE_SECRET" not in executor_environ({}, values)


def test_what_the_environment_sets_wins_and_a_dash_sets_nothing() -> None:
    environ = {"WEBHOOK_SECRET": "given", "METRICS_TOKEN": "-", "LEASE_S": "7", "PUBLIC_URL": "", "OTHER": "x"}
    values = cloud_values(environ, SECRETS, STORE, PLACES)
    assert values["WEBHOOK_SECRET"] == "given"
    assert values["METRICS_TOKEN"] == "generated-metrics"
    assert values["LEASE_S"] == "7"
    assert values["PUBLIC_URL"] == PLACES["PUBLIC_URL"]
    assert "OTHER" not in values


def test_what_a_part_would_refuse_is_known_before_it_is_started(tmp_path: Path) -> None:
    """Each variable once, whoever reads it, and no value."""
    made = Secrets.of(tmp_path)
    places = dict.fromkeys(("DATABASE_URL", "PUBLIC_URL", "SUPABASE_URL"), "http://127.0.0.1:1")
    places["LOCAL_EXECUTOR_URL"] = places["PUBLIC_URL"]
    assert refused(cloud_values({}, made, STORE, places)) == []
    assert refused(cloud_values({"WEBHOOK_SECRET": "s", "SUPABASE_JWT_SECRET": "s"}, made, STORE, places)) == []
    wrong = {"SERVICE_ENV": "prod", "WEBHOOK_SECRET": "hush", "MAX_INFLIGHT": "hush", "MAX_PAGES": "hush"}
    said = refused(cloud_values(wrong, made, STORE, places))
    assert {sentence.partition(" ")[0] for sentence in said} == {"WEBHOOK_SECRET", "MAX_INFLIGHT", "MAX_PAGES"}
    assert len(said) == 3
    assert "hush" not in "".join(said)


def test_under_jwks_no_secret_is_made_up() -> None:
    values = cloud_values({"AUTH_MODE": "jwks"}, SECRETS, STORE, PLACES)
    assert values["AUTH_MODE"] == "jwks"
    assert "SUPABASE_JWT_SECRET" not in values


def test_api_and_worker_name_the_same_store() -> None:
    values = cloud_values({}, SECRETS, STORE, PLACES)
    api = [values[f"DO_SPACES_{name}"] for name in ("ENDPOINT", "REGION", "BUCKET", "ACCESS_KEY", "SECRET_KEY")]
    worker = [values[f"SPACES_{name}"] for name in ("ENDPOINT", "REGION", "BUCKET", "KEY", "SECRET")]
    assert api == worker == ["http://127.0.0.1:1", "sgp1", "rythmiq", "access", "secret-of-the-store"]


def test_secrets_are_made_once_a_directory_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    first = Secrets.of(tmp_path)
    assert Secrets.of(tmp_path) == first
    assert KeyRing.parse(first.encryption_keys).current_kid == 1
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    (other := tmp_path / "other").mkdir()
    assert Secrets.of(other) != first


def test_a_secret_that_an_older_release_did_not_know_is_made_and_the_others_are_kept(tmp_path: Path) -> None:
    first = Secrets.of(tmp_path)
    file = tmp_path / "secrets.json"
    older = {name: value for name, value in json.loads(file.read_text()).items() if name != "reconcile_secret"}
    file.write_text(json.dumps(older | {"of_another_release": "x"}))
    second = Secrets.of(tmp_path)
    assert (second.encryption_keys, second.webhook_secret) == (first.encryption_keys, first.webhook_secret)
    assert second.reconcile_secret != first.reconcile_secret
    assert Secrets.of(tmp_path) == second


def test_keys_of_the_store_are_kept_unless_the_environment_names_others(tmp_path: Path) -> None:
    made = store_keys({}, tmp_path)
    assert store_keys({}, tmp_path) == made
    given = {"DO_SPACES_ACCESS_KEY": "a", "DO_SPACES_SECRET_KEY": "b"}
    assert store_keys(given, tmp_path) == ("a", "b")
    assert store_keys({}, tmp_path) == ("a", "b")


def test_a_port_is_the_same_as_last_time_while_it_is_free(tmp_path: Path) -> None:
    port = Ports(tmp_path).pick("store")
    assert Ports(tmp_path).pick("store") == port
    with socket.create_server(("127.0.0.1", port)):
        assert Ports(tmp_path).pick("store") != port


def test_cloud_json_is_read_as_it_was_written_and_shows_no_secret_in_a_trace(tmp_path: Path) -> None:
    file = CloudFile(
        base_url="http://127.0.0.1:1",
        database_url="postgresql://rythmiq:hush@127.0.0.1/rythmiq",
        s3=S3Access(endpoint="http://127.0.0.1:2", region="sgp1", bucket="b", access_key="k", secret_key="hush"),
        webhook_secret="hush",
        reconcile_secret="hush",
        metrics_token="hush",
        encryption_keys="hush",
        dispatch_keys="hush",
        pid=1,
        supabase_url="http://127.0.0.1:1",
        jwt_secret="hush",
        auth_mode="secret",
        page_url="http://127.0.0.1:1/app",
        upload_method="put",
    )
    file.write(tmp_path)
    assert CloudFile.read(tmp_path) == file
    assert "hush" not in repr(file)


def test_a_directory_without_a_running_cloud_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(CloudFileError, match="rythmiq up"):
        CloudFile.read(tmp_path)
    (tmp_path / "cloud.json").write_text("{}")
    with pytest.raises(CloudFileError, match="cannot be read"):
        CloudFile.read(tmp_path)
