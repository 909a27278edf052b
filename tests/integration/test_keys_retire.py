"""Operators cannot lose a key: what `keys rotate` refuses and says, `keys retire`, `keys list`, and the doctor."""

import base64
import json
import re
import shlex
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from rythmiq.adapters.database import SqlDatabase
from rythmiq.adapters.postgres import PostgresTransport
from rythmiq.contracts.errors import SettingsError
from rythmiq.contracts.keys import result_key
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.ports.database import Capacity
from rythmiq.wiring.factories import keys_header
from rythmiq_cli.commands import app
from rythmiq_cli.doctor import Finding
from rythmiq_cli.doctor.keys import key_findings, object_findings
from rythmiq_cli.operator.key_state import key_state_of
from tests.support.database_clients import NEW_KEYS, new_id, new_upload, stub_of
from tests.support.keys_world import NEW, OLD, World, world

__all__ = ["world"]

BOTH, WRONG_ORDER = f"{NEW},{OLD}", f"{OLD},{NEW}"
OTHER_OLD, DISPATCH, NEW_DISPATCH = KeyRing.new_entry(1), KeyRing.new_entry(1), KeyRing.new_entry(2)


def functions(world: World, keys: str, dispatch: str = DISPATCH) -> None:
    """The functions run with these rings: one tick."""
    header = keys_header(encryption=KeyRing.parse(keys), dispatch=KeyRing.parse(dispatch))
    with closing(PostgresTransport(world.url).presenting(header)) as transport:
        SqlDatabase(transport).jobs_tick(Capacity(max_inflight=0, lease_s=60, max_attempts=3))


def later(world: World, minutes: int) -> None:
    """Let what is noted be older."""
    with psycopg.connect(world.url, autocommit=True) as connection:
        connection.execute("set role service_role")
        change = "seen_at = seen_at - make_interval(mins => %s), current_at = current_at - make_interval(mins => %s)"
        connection.execute(f"update public.key_fingerprints set {change}".encode(), [minutes, minutes])  # noqa: S608  ours


def doctor(world: World, keys: str) -> dict[str, list[Finding]]:
    """What the doctor says of keys, by probe."""
    found: dict[str, list[Finding]] = {}
    environ = {**world.environ(keys), "DISPATCH_KEYS": DISPATCH}
    for finding in (*key_findings(environ, world.url), *object_findings(environ, world.store.config)):
        found.setdefault(finding.probe, []).append(finding)
    return found


def worst(found: dict[str, list[Finding]]) -> dict[str, str]:
    """The probes that are not ok, and how."""
    return {probe: listed[0].state for probe, listed in found.items() if listed[0].state != "ok"}


# --- rotate ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [(), (OLD,)], ids=["never-presented", "known"])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["for-real", "dry"])
def test_another_key_under_the_kid_of_what_is_stored_is_refused_and_not_called_done(
    world: World, before: tuple[str, ...], dry: tuple[str, ...]
) -> None:
    """The rehearsal's: objects under kid 1, another key as `1:`, and `0 rows and 0 objects`, exit 0."""
    for keys in before:
        functions(world, keys)
    rows = world.rows()
    done = world.rotate(*dry, keys=OTHER_OLD)
    assert done.exit_code == 2
    assert "key 1 " in done.stderr
    assert "nothing is left" not in done.output
    assert world.rows() == rows


def test_another_key_behind_the_new_one_is_refused_by_its_fingerprint(world: World) -> None:
    functions(world, OLD)
    done = world.rotate(keys=f"{NEW},{OTHER_OLD}")
    assert (done.exit_code, "ENCRYPTION_KEYS: key 1 is not the one of its first use" in done.stderr) == (2, True)
    assert KeyRing.parse(OLD).fingerprints[1] in done.stderr


@pytest.mark.parametrize("before", [(), (OLD,)], ids=["never-presented", "known"])
def test_a_newest_key_that_is_not_the_first_is_refused(world: World, before: tuple[str, ...]) -> None:
    """The rehearsal's: it read as a finished rotation."""
    for keys in before:
        functions(world, keys)
    rows = world.rows()
    done = world.rotate(keys=WRONG_ORDER)
    assert (done.exit_code, "put kid 2 first" in done.stderr) == (2, True)
    assert world.rows() == rows


def test_nothing_is_left_is_said_when_it_is_so_and_what_is_next(world: World) -> None:
    dry = world.rotate("--dry-run")
    assert "left under kid 1: 5 rows and 3 objects" in dry.stdout
    assert "nothing is left" not in dry.stdout
    assert "next: `rythmiq keys rotate`" in dry.stdout
    done = world.rotate()
    assert "nothing is left under kid 1" in done.stdout
    assert "next: `rythmiq keys retire 1`" in done.stdout
    assert "nothing is left under kid 1" in world.rotate("--dry-run").stdout


def test_functions_that_still_wrap_under_the_old_key_are_told(world: World) -> None:
    functions(world, OLD)
    done = world.rotate()
    assert re.search(r"next: the functions last wrapped under kid 1 .* deploy them", done.stdout)
    later(world, 5)
    functions(world, BOTH)
    assert "next: `rythmiq keys retire 1`" in world.rotate().stdout


def test_a_damaged_object_is_no_nothing(world: World) -> None:
    key = world.jobs["uploaded"]["raw_path"]
    world.store.upload_object(key, world.object(key)[:4] + b"\xff" + world.object(key)[5:])
    done = world.rotate()
    assert (done.exit_code, "1 objects cannot be read" in done.stdout) == (1, True)
    assert "nothing is left" not in done.stdout


# --- retire ----------------------------------------------------------------------------------------------------------


def retired(world: World) -> dict[int, bool]:
    with psycopg.connect(world.url) as connection:
        connection.execute("set local role service_role")
        rows = connection.execute(
            "select kid, retired_at is not null from public.key_fingerprints where ring = 'encryption'"
        ).fetchall()
    return dict(rows)


def numbers(sentences: list[str]) -> list[list[str]]:
    """The counts and kids of each sentence."""
    return [re.findall(r"\d+", sentence) for sentence in sentences]


def test_a_key_is_retired_when_nothing_needs_it_and_can_never_stand_first_again(world: World) -> None:
    functions(world, OLD)
    later(world, 5)
    functions(world, BOTH)
    world.rotate()
    done = world.keys("retire", "1", keys=BOTH)
    assert done.exit_code == 0
    assert retired(world) == {1: True, 2: False}
    header = keys_header(encryption=KeyRing.parse(WRONG_ORDER))
    with (
        closing(PostgresTransport(world.url).presenting(header)) as transport,
        pytest.raises(SettingsError, match="key 1 is retired"),
    ):
        SqlDatabase(transport).upload_create(new_upload(new_id()), initial_credits=3)
    assert world.keys("retire", "1", keys=NEW).exit_code == 0  # again, and with the entry out


def test_what_was_done_with_keys_is_in_the_audit_log_and_what_was_not_is_not(world: World) -> None:
    world.rotate("--dry-run")
    world.rotate()
    world.rotate()
    functions(world, OLD)
    world.keys("retire", "1", keys=BOTH)  # refused: the functions use it
    later(world, 5)
    functions(world, BOTH)
    world.keys("retire", "1", keys=BOTH)
    with psycopg.connect(world.url) as connection:
        connection.execute("set role service_role")
        rows = connection.execute("select act, details from public.operator_events order by id").fetchall()
    assert rows == [
        ("keys.rotate", {"kid": 2, "rows": 5, "objects": 3}),
        ("keys.retire", {"ring": "encryption", "kid": 1}),
    ]


def test_a_key_that_rows_and_objects_need_is_not_retired(world: World) -> None:
    functions(world, OLD)
    later(world, 5)
    functions(world, BOTH)
    done = json.loads(world.keys("retire", "1", "--json", keys=BOTH).stdout)
    assert (done["ok"], numbers(done["needed_by"])) == (False, [["5", "1"], ["3", "1"]])  # so many, under kid 1
    assert "rythmiq keys rotate" in done["said"][0]
    assert retired(world) == {1: False, 2: False}


def test_one_object_is_enough_to_need_a_key(world: World) -> None:
    key = world.jobs["uploaded"]["raw_path"]
    before = world.object(key)
    world.rotate()
    world.store.upload_object(key, before)  # a client that had its key before the rotation
    done = world.keys("retire", "1", "--json", keys=BOTH)
    assert (done.exit_code, numbers(json.loads(done.stdout)["needed_by"])) == (1, [["1", "1"]])


def test_a_key_that_the_functions_still_use_is_not_retired(world: World) -> None:
    functions(world, OLD)
    world.rotate()
    done = world.keys("retire", "1", keys=BOTH)
    assert done.exit_code == 1
    assert retired(world) == {1: False}


def test_a_row_that_comes_under_the_key_meanwhile_keeps_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    functions(world, OLD)
    later(world, 5)
    functions(world, BOTH)
    world.rotate()
    wrapped = base64.b64encode(KeyRing.parse(OLD).mint(world.user_id).wrapped_key).decode()

    def nothing(*_: object) -> list[str]:
        with psycopg.connect(world.url, autocommit=True) as connection:
            connection.execute("set role service_role")
            connection.execute("update public.uploads set kid = 1, wrapped_key = %s", [wrapped])
        return []

    monkeypatch.setattr("rythmiq_cli.commands.keys_retire._needs", nothing)
    done = world.keys("retire", "1", keys=BOTH)
    assert done.exit_code == 1
    assert retired(world) == {1: False, 2: False}


def test_the_current_key_and_a_wrong_ring_are_refused(world: World) -> None:
    current = world.keys("retire", "2", keys=BOTH)
    assert (current.exit_code, "kid 2" in current.stderr) == (2, True)
    functions(world, OLD)
    wrong = world.keys("retire", "1", keys=f"{NEW},{OTHER_OLD}")
    assert (wrong.exit_code, "key 1 is not the one" in wrong.stderr) == (2, True)
    assert "ENCRYPTION_KEYS is not set" in world.keys("retire", "1", keys="-").stderr


def test_a_dispatch_key_is_retired_when_no_attempt_of_a_day_names_it(world: World) -> None:
    functions(world, OLD)
    later(world, 5)
    functions(world, OLD, f"{NEW_DISPATCH},{DISPATCH}")
    rings = {"DISPATCH_KEYS": f"{NEW_DISPATCH},{DISPATCH}"}
    result = result_key(world.user_id, world.jobs["ended"]["job_id"], 1)
    sealed = KeyRing.parse(DISPATCH).seal_service(b"a result", storage_key=result)
    world.store.upload_object(result, sealed)
    needed = world.keys("retire", "1", "--dispatch", "--json", keys=OLD, **rings)
    assert (needed.exit_code, numbers(json.loads(needed.stdout)["needed_by"])) == (1, [["1", "24", "1"]])
    world.store.delete_object(result)
    assert world.keys("retire", "1", "--dispatch", keys=OLD, **rings).exit_code == 0


# --- list, env check, doctor -----------------------------------------------------------------------------------------


def test_the_list_shows_each_key_here_and_there(world: World) -> None:
    functions(world, OLD)
    done = world.keys("list", "--json", keys=BOTH, DISPATCH_KEYS=DISPATCH)
    told = {(row["variable"], row["kid"]): row for row in json.loads(done.stdout)["keys"]}
    old = told["ENCRYPTION_KEYS", 1]
    assert (done.exit_code, old["fingerprint"], old["known_fingerprint"], old["rows"]) == (
        0,
        KeyRing.parse(OLD).fingerprints[1],
        KeyRing.parse(OLD).fingerprints[1],
        5,
    )
    assert told["ENCRYPTION_KEYS", 2]["known_fingerprint"] is None
    assert told["DISPATCH_KEYS", 1]["ok"]
    assert OLD.partition(":")[2] not in done.output


@pytest.mark.parametrize(
    ("keys", "word"), [(f"{NEW},{OTHER_OLD}", "WRONG"), (NEW, "MISSING")], ids=["wrong", "missing"]
)
def test_the_list_tells_a_wrong_key_and_a_missing_one(world: World, keys: str, word: str) -> None:
    functions(world, OLD)
    done = world.keys("list", keys=keys)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ENCRYPTION_KEYS 1:")]
    assert (done.exit_code, word in line) == (1, True)


def test_the_data_api_tells_the_same_of_keys_as_the_owners_connection(world: World) -> None:
    functions(world, OLD)
    with stub_of(world.url) as stub:
        anon, service = NEW_KEYS
        environ = {
            "SUPABASE_URL": stub.url,
            "SUPABASE_ANON_KEY": anon.value,
            "SUPABASE_SERVICE_ROLE_KEY": service.value,
        }
        assert key_state_of(environ, None) == key_state_of({}, world.url)
        listed = world.keys("list", "--json", keys=f"{NEW},{OTHER_OLD}", DATABASE_URL="-", **environ)
    assert (listed.exit_code, json.loads(listed.stdout)["ok"]) == (1, False)


def env_check(world: World, tmp_path: Path, keys: str) -> Result:
    file = tmp_path / "deploy.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in world.environ(keys).items()), encoding="utf-8")
    return CliRunner().invoke(app, ["env", "check", str(file), "--for", "launcher", "--database", "--json"])


def test_env_check_shows_fingerprints_and_compares_them_when_asked(world: World, tmp_path: Path) -> None:
    functions(world, OLD)
    right, wrong = (json.loads(env_check(world, tmp_path, keys).stdout) for keys in (OLD, OTHER_OLD))
    assert right["fingerprints"]["ENCRYPTION_KEYS"] == {"1": KeyRing.parse(OLD).fingerprints[1]}
    assert (right["problems"], len(wrong["problems"])) == ([], 1)
    assert "key 1 is not the one of its first use" in wrong["problems"][0]


def test_the_doctor_opens_a_row_and_an_object_of_each_kid(world: World) -> None:
    functions(world, OLD)
    found = doctor(world, OLD)
    assert worst(found) == {}
    assert set(found) >= {"fingerprints", "rows", "objects"}
    assert "1" in found["objects"][0].said


@pytest.mark.parametrize(
    ("keys", "ill"),
    [
        (OTHER_OLD, {"fingerprints": "broken", "rows": "broken", "objects": "broken"}),
        (f"{NEW},{OTHER_OLD}", {"fingerprints": "broken", "rows": "broken", "objects": "broken"}),
        (NEW, {"rows": "broken", "objects": "broken"}),
    ],
    ids=["one-wrong-character", "wrong-behind", "old-one-gone"],
)
def test_the_doctor_is_not_green_with_a_wrong_ring(world: World, keys: str, ill: dict[str, str]) -> None:
    functions(world, OLD)
    found = worst(doctor(world, keys))
    found.pop("encryption-ring", None)
    assert found == ill


def test_a_rotation_that_came_too_early_is_told_by_the_doctor(world: World) -> None:
    """The rehearsal's: the functions, which do not have the new key, fail while the doctor is green."""
    functions(world, OLD)
    world.rotate()
    ring = doctor(world, BOTH)["encryption-ring"][0]
    assert (ring.state, numbers([ring.said])) == ("broken", [["5", "2"]])
    assert "doctl serverless deploy" in ring.fix
    later(world, 30)
    functions(world, BOTH)
    assert worst(doctor(world, BOTH)) == {}


def test_functions_that_were_deployed_with_an_older_file_are_told(world: World) -> None:
    functions(world, OLD)
    functions(world, BOTH)
    world.rotate()
    later(world, 30)
    functions(world, OLD)  # somebody deployed the file of last week
    assert doctor(world, BOTH)["encryption-ring"][0].state == "broken"


def test_a_new_key_that_is_not_deployed_is_a_warning(world: World) -> None:
    functions(world, OLD)
    assert worst(doctor(world, BOTH)) == {"encryption-ring": "warning"}


def test_without_a_ring_or_a_database_the_doctor_says_nothing_of_keys(world: World) -> None:
    assert list(key_findings({}, world.url)) == []
    assert list(key_findings({"ENCRYPTION_KEYS": OLD}, "postgresql://nobody@127.0.0.1:9/none")) == []
    (broken,) = key_findings({"ENCRYPTION_KEYS": "1:secret-word"}, world.url)
    assert (broken.state, "secret-word" in str(broken)) == ("broken", False)


def test_what_rotate_says_is_next_can_be_typed(world: World, tmp_path: Path) -> None:
    file = tmp_path / "my deploy.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in world.environ(BOTH).items()), encoding="utf-8")
    run = CliRunner().invoke(app, ["keys", "rotate", "--env", str(file)])
    (printed,) = re.findall(r"next: `rythmiq ([^`]*)`", run.stdout)
    assert CliRunner().invoke(app, shlex.split(printed)).exit_code == 0
