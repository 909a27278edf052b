"""`rythmiq keys rotate` on a real database and a real store: the same data keys under another key, and nothing else."""

import base64
import datetime as dt
import json
import uuid
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from rythmiq.contracts.keys import dispatch_key, result_key
from rythmiq.crypto import open_sealed, parse_header
from rythmiq_cli.commands import app
from rythmiq_cli.operator import operator_client
from rythmiq_cli.operator.key_rotation import kids_in_use
from tests.support.keys_world import AFTER, BEFORE, NEW, OLD, ORDER, TEXT, World, world

__all__ = ["world"]


def test_every_row_and_object_opens_with_the_new_key_alone(world: World) -> None:
    done = json.loads(world.rotate("--json").stdout)
    assert (done["ok"], done["kid"], done["rows"], done["objects"]) == (True, 2, {"rewrapped": 5}, {"rewrapped": 3})
    for name, (kid, wrapped) in world.rows().items():
        assert kid == 2, name
        AFTER.unwrap(kid, wrapped, world.user_id)
    for name, upload in world.jobs.items():
        data = world.object(upload["raw_path"])
        header = parse_header(data)
        assert AFTER.unwrap(header.kid, header.wrapped_key, world.user_id) == world.data_keys[name]
        assert open_sealed(data, storage_key=upload["raw_path"], data_key=world.data_keys[name]) == TEXT
    order = dispatch_key(world.jobs["ended"]["user_id"], world.jobs["ended"]["job_id"], 1)
    assert world.object(order) == ORDER


def test_a_second_rotation_finds_nothing_to_do(world: World) -> None:
    world.rotate()
    rows = world.rows()
    again = json.loads(world.rotate("--json").stdout)
    assert (again["rows"], again["objects"]) == ({}, {"current": 3})
    assert world.rows() == rows


def test_a_dry_run_counts_and_changes_nothing(world: World) -> None:
    rows, data = world.rows(), world.object(world.jobs["ended"]["raw_path"])
    done = json.loads(world.rotate("--json", "--dry-run").stdout)
    assert (done["rows"], done["objects"]) == ({"rewrapped": 5}, {"rewrapped": 3})
    assert (world.rows(), world.object(world.jobs["ended"]["raw_path"])) == (rows, data)


def test_one_that_was_stopped_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store goes away after the rows; then it is back."""

    def gone(*_: object) -> object:
        raise ConnectionError

    monkeypatch.setattr("rythmiq_cli.operator.key_rotation.users_objects", gone)
    assert isinstance(world.rotate().exception, ConnectionError)
    monkeypatch.undo()
    done = json.loads(world.rotate("--json").stdout)
    assert (done["ok"], done["rows"], done["objects"]) == (True, {}, {"rewrapped": 3})


def test_what_is_wrapped_under_a_key_that_the_ring_has_not_stays_and_is_told(world: World) -> None:
    rows = world.rows()
    done = world.rotate("--json", keys=NEW)
    told = json.loads(done.stdout)
    assert (done.exit_code, told["ok"], told["reasons"]) == (1, False, {"unknown_kid": 8})
    assert world.rows() == rows


def test_what_is_not_ours_is_left_alone(world: World) -> None:
    plain = world.jobs["uploaded"]["raw_path"].replace("scan", "plain")
    world.store.upload_object(plain, TEXT)
    done = json.loads(world.rotate("--json").stdout)
    assert done["objects"] == {"rewrapped": 3, "plaintext": 1}
    assert world.object(plain) == TEXT


def test_an_ended_job_changes_in_its_keys_only_and_only_by_a_rotation(world: World) -> None:
    job = world.jobs["ended"]["job_id"]
    with psycopg.connect(world.url) as connection:
        connection.execute("set local role service_role")
        with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
            connection.execute("update public.jobs set kid = 2 where id = %s", [job])
        connection.execute("select set_config('rythmiq.rotation', 'on', true)")
        with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
            connection.execute("update public.jobs set kid = 2, conforms = not conforms where id = %s", [job])
        with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
            connection.execute("update public.jobs set kid = null, wrapped_key = null where id = %s", [job])


def test_a_database_that_the_file_leaves_unset_is_the_environments(world: World, tmp_path: Path) -> None:
    """The functions use the Data API; the owner's address is for this command alone."""
    config = world.store.config
    file = tmp_path / "deploy.env"
    lines = [
        f"ENCRYPTION_KEYS={NEW},{OLD}",
        f"DO_SPACES_ENDPOINT={config.endpoint}",
        f"DO_SPACES_REGION={config.region}",
        f"DO_SPACES_BUCKET={config.bucket}",
        f"DO_SPACES_ACCESS_KEY={config.access_key}",
        f"DO_SPACES_SECRET_KEY={config.secret_key}",
    ]

    def rotate(in_file: str, exported: str) -> Result:
        file.write_text("\n".join([*lines, f"DATABASE_URL={in_file}"]) + "\n", encoding="utf-8")
        arguments = ["keys", "rotate", "--dry-run", "--json", "--env", str(file)]
        return CliRunner().invoke(app, arguments, env={"DATABASE_URL": exported})

    assert json.loads(rotate("-", world.url).stdout)["rows"] == {"rewrapped": 5}
    assert json.loads(rotate(world.url, "postgresql://nobody@127.0.0.1:9/none").stdout)["rows"] == {"rewrapped": 5}
    assert "DATABASE_URL is not set" in rotate("-", "-").stderr


def test_what_it_needs_and_has_not_is_told(world: World) -> None:
    assert "ENCRYPTION_KEYS is not set" in world.rotate(keys="-").stderr
    broken = world.rotate(keys="1:secret-word")
    assert broken.exit_code == 2
    assert "secret-word" not in broken.output


def test_a_key_that_was_wrapped_for_another_user_is_not_rewrapped_for_the_rows(world: World) -> None:
    with psycopg.connect(world.url) as connection:
        stranger = str(uuid.uuid4())
        wrapped = base64.b64encode(BEFORE.mint(stranger).wrapped_key).decode()
        connection.execute("set local role service_role")
        connection.execute(
            "update public.uploads set wrapped_key = %s where job_id = %s", [wrapped, world.jobs["uploaded"]["job_id"]]
        )
    told = json.loads(world.rotate("--json").stdout)
    assert (told["ok"], told["rows"]) == (False, {"rewrapped": 4, "failed": 1})
    assert told["reasons"] == {"wrong_key": 1}


# --- dispatch keys ----------------------------------------------------------------------------------------------------


def dispatch_rotation(world: World, keys: str) -> Result:
    config = world.store.config
    environ = {
        "DISPATCH_KEYS": keys,
        "DO_SPACES_ENDPOINT": config.endpoint,
        "DO_SPACES_REGION": config.region,
        "DO_SPACES_BUCKET": config.bucket,
        "DO_SPACES_ACCESS_KEY": config.access_key,
        "DO_SPACES_SECRET_KEY": config.secret_key,
    }
    return CliRunner().invoke(app, ["keys", "rotate", "--dispatch", "--json"], env=environ)


def test_an_old_dispatch_key_stays_while_an_attempt_names_it_and_may_go_then(world: World) -> None:
    user, job = world.user_id, world.jobs["waiting"]["job_id"]
    order, result = dispatch_key(user, job, 1), result_key(user, job, 1)
    for key in (order, result):
        world.store.upload_object(key, BEFORE.seal_service(b"{}", storage_key=key))
    before = {key: world.object(key) for key in (order, result)}
    told = json.loads(dispatch_rotation(world, f"{NEW},{OLD}").stdout)
    assert told == {"ok": True, "kid": 2, "may_go": [], "in_use": {"1": 2}, "missing": []}
    assert {key: world.object(key) for key in before} == before
    gone_too_early = dispatch_rotation(world, NEW)
    assert (gone_too_early.exit_code, json.loads(gone_too_early.stdout)["missing"]) == (1, [1])
    for key in (order, result):
        world.store.delete_object(key)
    told = json.loads(dispatch_rotation(world, f"{NEW},{OLD}").stdout)
    assert told == {"ok": True, "kid": 2, "may_go": [1], "in_use": {}, "missing": []}


def test_what_is_older_than_a_token_holds_no_dispatch_key(world: World) -> None:
    key = dispatch_key(world.user_id, world.jobs["waiting"]["job_id"], 1)
    world.store.upload_object(key, BEFORE.seal_service(b"{}", storage_key=key))
    s3, now = operator_client(world.store.config), dt.datetime.now(tz=dt.UTC)
    assert kids_in_use(s3, world.store.config.bucket, now) == {1: 1}
    assert kids_in_use(s3, world.store.config.bucket, now + dt.timedelta(days=1, minutes=1)) == {}


def test_what_a_dispatch_rotation_needs_and_has_not_is_told(world: World) -> None:
    assert "DISPATCH_KEYS is not set" in dispatch_rotation(world, "-").stderr
    broken = dispatch_rotation(world, "1:secret-word")
    assert (broken.exit_code, "secret-word" in broken.output) == (2, False)
    unnamed = CliRunner().invoke(app, ["keys", "rotate", "--dispatch"], env={"DISPATCH_KEYS": NEW})
    assert (unnamed.exit_code, "DO_SPACES_BUCKET" in unnamed.stderr) == (2, True)
