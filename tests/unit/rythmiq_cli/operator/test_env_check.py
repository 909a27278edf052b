"""`rythmiq env check`: every name, by what reads it, and never a value."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.commands import app
from rythmiq_cli.operator import env_check, parse_env

ROOT = Path(__file__).parents[4]
FILLED = {
    **parse_env(env_check.template_text()).values,
    "ENCRYPTION_KEYS": KeyRing.new_entry(1),
    "DISPATCH_KEYS": KeyRing.new_entry(1),
    "WEBHOOK_SECRET": "webhook-secret-of-32-characters!",
    "RECONCILE_SECRET": "reconcile-secret-of-32-chars-ok!",
    "METRICS_TOKEN": "metrics-token-of-32-characters!!",
    "SUPABASE_URL": "https://abcdefgh.supabase.co",
    "SUPABASE_ANON_KEY": "sb_publishable_a",
    "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_a",
    "DO_SPACES_BUCKET": "bucket-a",
    "DO_SPACES_ACCESS_KEY": "DO00A",
    "DO_SPACES_SECRET_KEY": "secret-a",
    "SPACES_BUCKET": "bucket-a",
    "SPACES_KEY": "DO00B",
    "SPACES_SECRET": "secret-b",
    "CAMBER_API_KEY": "camber-key",
    "CAMBER_STASH_PATH": "stash://somebody/rythmiq/release",
}


@pytest.fixture(autouse=True)
def nothing_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that exports none of the names."""
    for name in FILLED:
        monkeypatch.delenv(name, raising=False)


def checked(tmp_path: Path, *arguments: str, without: str = "", more: str = "", **changed: str) -> Result:
    """The command on a file that is filled in but for what is changed."""
    values = {name: value for name, value in {**FILLED, **changed}.items() if name != without}
    file = tmp_path / "touch.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()) + more, encoding="utf-8")
    project = str(ROOT / "project.yml")
    return CliRunner().invoke(app, ["env", "check", str(file), "--project", project, *arguments])


def states(result: Result) -> dict[str, str]:
    """What is not well, by name."""
    names = json.loads(result.stdout)["names"]
    return {row["name"]: row["state"] for row in names if row["state"] not in {"ok", "unset"}}


def test_a_file_that_is_filled_in_is_well(tmp_path: Path) -> None:
    done = checked(tmp_path)
    assert (done.exit_code, done.stdout) == (0, "")


def test_the_template_itself_is_not_filled_in() -> None:
    done = CliRunner().invoke(app, ["env", "check", str(ROOT / "infra" / "env" / "touch.env"), "--json"])
    assert done.exit_code == 1
    found = states(done)
    assert {"ENCRYPTION_KEYS", "WEBHOOK_SECRET", "METRICS_TOKEN", "DO_SPACES_SECRET_KEY", "SUPABASE_URL"} <= set(found)
    assert set(found.values()) == {"unusable"}


@pytest.mark.parametrize("name", ["DO_SPACES_SECRET_KEY", "METRICS_TOKEN", "ENCRYPTION_KEYS", "SPACES_SECRET"])
def test_a_name_that_is_required_and_not_set_is_missing(tmp_path: Path, name: str) -> None:
    assert states(checked(tmp_path, "--json", **{name: "-"})) == {name: "missing"}


def test_what_doctl_needs_a_value_for_must_at_least_be_a_dash(tmp_path: Path) -> None:
    done = checked(tmp_path, without="UPLOAD_METHOD")
    assert done.exit_code == 1
    assert "missing: UPLOAD_METHOD" in done.stdout
    assert states(checked(tmp_path, "--json", UPLOAD_METHOD="")) == {"UPLOAD_METHOD": "missing"}


def test_the_worker_alone_needs_none_of_the_apis_names(tmp_path: Path) -> None:
    file = tmp_path / "worker.env"
    own = {name: value for name, value in FILLED.items() if name.startswith("SPACES_")}
    file.write_text("".join(f"{name}={value}\n" for name, value in own.items()))
    assert CliRunner().invoke(app, ["env", "check", str(file), "--for", "worker"]).exit_code == 0
    assert CliRunner().invoke(app, ["env", "check", str(file)]).exit_code == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('quo"ted-secret-value', "a double quote"),
        ("quo'ted-secret-value", "a single quote"),
        ("back\\slash-secret-value", "a backslash"),
        ("number#sign-secret-value", "a #"),
        ("dollar${HOME}secret-value", "a ${"),
        ("carriage-return-secret-value\r", "a line break"),
        ("trailing-space-secret-value ", "begins or ends with a space"),
    ],
)
def test_a_value_that_the_deployer_cannot_carry_is_refused_and_not_shown(tmp_path: Path, value: str, said: str) -> None:
    done = checked(tmp_path, WEBHOOK_SECRET=value)
    assert done.exit_code == 1
    assert re.search(rf"unusable: WEBHOOK_SECRET .*{re.escape(said)}", done.stdout)
    assert "secret-value" not in done.output


def test_a_value_over_two_lines_is_told_by_the_number_of_the_line(tmp_path: Path) -> None:
    done = checked(tmp_path, more="second half of a secret\n")
    assert done.exit_code == 1
    assert f"line {len(FILLED) + 1} " in done.stdout
    assert "second half" not in done.output


def test_a_name_that_is_set_twice_is_told(tmp_path: Path) -> None:
    assert "sets METRICS_TOKEN again" in checked(tmp_path, more="METRICS_TOKEN=another-one-of-them\n").stdout


def test_a_name_that_nothing_reads_is_told_and_does_no_harm(tmp_path: Path) -> None:
    done = checked(tmp_path, "--json", more="METRICS_TOKNE=typo\n")
    assert (done.exit_code, states(done)) == (0, {"METRICS_TOKNE": "unknown"})


@pytest.mark.parametrize("name", ["SPACES_BUCKET", "SPACES_REGION"])
def test_a_worker_that_names_another_store_is_told(tmp_path: Path, name: str) -> None:
    done = checked(tmp_path, "--json", **{name: "another"})
    assert states(done) == {name: "unusable"}
    assert "the worker would refuse every job" in done.stdout


def test_a_value_that_cannot_be_used_is_told_with_what_reads_it(tmp_path: Path) -> None:
    done = checked(tmp_path, LEASE_S="soon")
    assert "unusable: LEASE_S" in done.stdout
    assert "(api; optional)" in done.stdout
    assert "soon" not in done.stdout


def test_every_name_of_the_project_is_one_of_the_template() -> None:
    names, problems = env_check.names_of_project((ROOT / "project.yml").read_text(encoding="utf-8"))
    assert names <= {row.name for row in env_check.template_rows()}
    assert not problems


def test_a_name_that_only_the_project_knows_is_missing(tmp_path: Path) -> None:
    project = tmp_path / "project.yml"
    project.write_text('environment:\n  X: "${NEW_NAME}"\n  # and ${OLD_NAME}\n', encoding="utf-8")
    done = checked(tmp_path, "--json", "--project", str(project))
    assert (done.exit_code, states(done)) == (1, {"NEW_NAME": "missing", "OLD_NAME": "missing"})
    assert json.loads(done.stdout)["problems"] == [
        f"{project}: line 3 has a ${{ in a comment, which doctl replaces too"
    ]


def test_a_name_that_the_shell_exports_otherwise_is_a_problem_because_doctl_takes_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `export DATABASE_URL=...` for the migrations, where the file says `-`."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://owner:secret-word@db.example/x")
    done = checked(tmp_path, "--json")
    assert (done.exit_code, states(done)) == (1, {})
    assert json.loads(done.stdout)["problems"] == [
        "this shell exports DATABASE_URL with another value, which doctl would take instead: unset DATABASE_URL"
    ]
    assert "secret-word" not in done.output
    assert "exports DATABASE_URL" in checked(tmp_path).stdout


def test_a_name_that_the_shell_exports_alike_or_that_doctl_does_not_deploy_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRICS_TOKEN", FILLED["METRICS_TOKEN"])
    monkeypatch.setenv("RYTHMIQ_URL", "https://elsewhere.example")
    monkeypatch.setenv("UPLOAD_METHOD", "")
    assert checked(tmp_path).exit_code == 0
    monkeypatch.setenv("ENCRYPTION_KEYS", KeyRing.new_entry(9))
    assert checked(tmp_path, "--for", "worker", "--for", "launcher").exit_code == 0


def test_without_a_file_the_environment_is_looked_at() -> None:
    done = CliRunner().invoke(app, ["env", "check", "--for", "launcher", "--json"], env={"JOB_TIMEOUT_S": "never"})
    assert states(done)["JOB_TIMEOUT_S"] == "unusable"


def test_a_file_that_is_not_there_and_a_component_that_is_none_are_misuse(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["env", "check", str(tmp_path / "none")]).exit_code == 2
    assert CliRunner().invoke(app, ["env", "check", "--for", "everything"]).exit_code == 2


# --- what is wrong though each value can be used -----------------------------------------------------------------


def jwt_of(role: str) -> str:
    """A key of Supabase's older kind, as far as anybody can read it."""
    body = base64.urlsafe_b64encode(json.dumps({"iss": "supabase", "role": role}).encode()).decode().rstrip("=")
    return f"e30.{body}.signature"


@pytest.mark.parametrize(
    "changed",
    [
        {"SUPABASE_URL": "http://abcdefgh.supabase.co"},
        {"PUBLIC_URL": "http://api.example"},
        {"ALLOWED_ORIGINS": "https://page.example,http://other.example"},
        {"DO_SPACES_ENDPOINT": "http://sgp1.digitaloceanspaces.com"},
        {"SUPABASE_ANON_KEY": "sb_secret_of_the_project"},
        {"SUPABASE_SERVICE_ROLE_KEY": "sb_publishable_of_the_project"},
        {"SUPABASE_ANON_KEY": jwt_of("service_role")},
        {"SUPABASE_SERVICE_ROLE_KEY": jwt_of("anon")},
        {"ALLOW_PLAINTEXT": "yes"},
        {"METRICS_TOKEN": FILLED["WEBHOOK_SECRET"]},
        {"WEBHOOK_SECRET_PREVIOUS": FILLED["WEBHOOK_SECRET"]},
        {"DO_SPACES_REGION": "fra1"},
        {"DO_SPACES_ENDPOINT": "https://bucket-a.sgp1.digitaloceanspaces.com"},
        {"DO_SPACES_ENDPOINT": "https://sgp1.cdn.digitaloceanspaces.com"},
        {"DO_SPACES_ENDPOINT": "https://bucket-a.s3.example"},
    ],
    ids=str,
)
def test_a_mistake_that_no_single_value_shows_is_refused_in_one_line_without_the_value(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    ((name, value),) = changed.items()
    also = {name.removeprefix("DO_"): value} if name.startswith("DO_") else {}
    done = checked(tmp_path, **changed, **also)
    (line,) = [line for line in done.stdout.splitlines() if f" {name} " in line]
    assert (done.exit_code, line.startswith(f"unusable: {name} ")) == (1, True)
    assert value == "yes" or value not in done.output


@pytest.mark.parametrize(
    "changed",
    [
        {"SUPABASE_URL": "http://abcdefgh.supabase.co", "SERVICE_ENV": "dev"},
        {"PUBLIC_URL": "http://127.0.0.1:8640"},
        {"SUPABASE_ANON_KEY": jwt_of("anon"), "SUPABASE_SERVICE_ROLE_KEY": jwt_of("service_role")},
        {"ALLOW_PLAINTEXT": "yes", "SERVICE_ENV": "staging"},
        {"SUPABASE_ANON_KEY": "not.a.jwt"},
    ],
    ids=str,
)
def test_what_is_meant_so_is_not_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    assert checked(tmp_path, **changed).exit_code == 0


def test_one_key_in_two_rings_is_refused_under_whatever_kid(tmp_path: Path) -> None:
    key = FILLED["ENCRYPTION_KEYS"].partition(":")[2]
    environ = {"ENCRYPTION_KEYS": f"2:{key}", "DISPATCH_KEYS": f"1:{key}"}
    assert [name for name, _ in env_check.mistakes(environ)] == ["DISPATCH_KEYS"]
    assert checked(tmp_path).exit_code == 0


def test_a_file_that_others_can_read_is_a_warning_with_the_command_that_mends_it(tmp_path: Path) -> None:
    checked(tmp_path)
    file = tmp_path / "touch.env"
    file.chmod(0o644)
    run = CliRunner().invoke(app, ["env", "check", str(file), "--json"])
    assert json.loads(run.stdout)["warnings"] == [
        f"{file} can be read by other users of this machine: chmod 600 {file}"
    ]
    file.chmod(0o600)
    assert json.loads(CliRunner().invoke(app, ["env", "check", str(file), "--json"]).stdout)["warnings"] == []


def test_a_worker_with_the_apis_key_is_a_warning(tmp_path: Path) -> None:
    done = checked(tmp_path, SPACES_KEY=FILLED["DO_SPACES_ACCESS_KEY"])
    assert done.exit_code == 0
    assert "warning: SPACES_KEY is DO_SPACES_ACCESS_KEY" in done.stderr


def test_what_is_missing_is_told_with_what_makes_it(tmp_path: Path) -> None:
    assert "keys new --kid 1" in checked(tmp_path, ENCRYPTION_KEYS="-").stdout
    assert "docs/deploy.md" in checked(tmp_path, DO_SPACES_BUCKET="-", SPACES_BUCKET="-").stdout


def test_what_an_operator_writes_is_ignored_by_git(tmp_path: Path) -> None:
    git = shutil.which("git") or "git"
    names = ["deploy.env", "worker.env", "rows.sql", "events.json"]
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run([git, "init", "--quiet"], cwd=tmp_path, check=True)
    shown = subprocess.run([git, "check-ignore", *names], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shown.stdout.split() == names


def test_a_file_of_the_workers_own_must_not_hold_the_encryption_keys(tmp_path: Path) -> None:
    """H4: it lies where hostile pictures are decoded."""
    own = ("--for", "worker", "--for", "launcher")
    told = checked(tmp_path, *own, "--json", without="WEBHOOK_SECRET")
    assert (told.exit_code, states(told)["ENCRYPTION_KEYS"]) == (1, "unusable")
    assert checked(tmp_path, *own, without="WEBHOOK_SECRET", ENCRYPTION_KEYS="-").exit_code == 0
    assert checked(tmp_path, *own).exit_code == 0
