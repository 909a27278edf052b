"""The ten mistakes of an operator's rehearsal, each made on a real cloud and told in one line that names the remedy."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.local.postgres import OWNER
from rythmiq_cli.local.store.s3_server import make_bucket
from rythmiq_cli.operator import migrations, operator_environ
from tests.e2e.cloud_process import RYTHMIQ
from tests.e2e.conftest import Cloud
from tests.support.postgres_fixture import PostgresForTests


@dataclass
class Operator:
    """Somebody with a file of variables and a shell."""

    file: Path
    values: dict[str, str]

    def run(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """A command on the file with something changed in it; `rythmiq` is on the PATH, and little else."""
        self.write(**changed)
        return self.typed(" ".join(("rythmiq", *arguments)))

    def write(self, **changed: str) -> None:
        """Write the file, for its owner alone."""
        lines = "".join(f"{name}={value}\n" for name, value in {**self.values, **changed}.items())
        self.file.write_text(lines, encoding="utf-8")
        self.file.chmod(0o600)

    def typed(self, line: str) -> subprocess.CompletedProcess[str]:
        """A line as it is typed."""
        path = os.pathsep.join([str(RYTHMIQ.parent), "/usr/bin", "/bin"])
        environ = {"PATH": path, "HOME": str(self.file.parent)}
        return subprocess.run(["/bin/sh", "-c", line], env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def operator(cloud: Cloud, tmp_path: Path) -> Operator:
    """One who has this cloud's variables."""
    values = dict(operator_environ(None, cloud.process.data_dir))
    return Operator(tmp_path / "deploy.env", values)


def told(done: subprocess.CompletedProcess[str], *words: str) -> str:
    """The one line of what a command printed that has all these words."""
    (line,) = [line for line in done.stdout.splitlines() if all(word in line for word in words)]
    return line


def remedy(line: str) -> str:
    """The first command of ours that a line prints."""
    found = re.search(r"`(rythmiq [^`]*)`", line)
    assert found is not None, line
    return found[1]


def check(operator: Operator, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    return operator.run("env", "check", str(operator.file), *arguments, **changed)


def doctor(operator: Operator, area: str, **changed: str) -> subprocess.CompletedProcess[str]:
    return operator.run("doctor", "--env", str(operator.file), "--only", area, **changed)


def test_1_a_missing_variable(operator: Operator) -> None:
    done = check(operator, WEBHOOK_SECRET="-")
    line = told(done, "missing: WEBHOOK_SECRET ")
    assert done.returncode == 1
    made = re.search(r"`(python3 [^`]*)`", line)
    assert made is not None
    secret = operator.typed(made[1].replace("python3", sys.executable)).stdout.strip()
    assert not [
        line for line in check(operator, WEBHOOK_SECRET=secret).stdout.splitlines() if " WEBHOOK_SECRET " in line
    ]


def test_2_a_wrong_key_value(operator: Operator, cloud: Cloud) -> None:
    with cloud.process.http() as user:  # the key is in use
        upload = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 1_000}
        assert user.post("/api/uploads", json=upload).status_code == 201
    kid, _, key = operator.values["ENCRYPTION_KEYS"].partition(":")
    typo = f"{kid}:{'A' if key[0] != 'A' else 'B'}{key[1:]}"
    checked = check(operator, "--database", ENCRYPTION_KEYS=typo)
    looked = doctor(operator, "database", ENCRYPTION_KEYS=typo)
    rotated = operator.run("keys", "rotate", "--dry-run", "--env", str(operator.file), ENCRYPTION_KEYS=typo)
    known = KeyRing.parse(operator.values["ENCRYPTION_KEYS"]).fingerprints[int(kid)]
    for line in (told(checked, "ENCRYPTION_KEYS: key"), told(looked, "broken database fingerprints")):
        assert f"key {kid} is not the one of its first use" in line
        assert known in line
        assert "from its escrow" in line
        assert key not in line
    assert (checked.returncode, looked.returncode, rotated.returncode) == (1, 1, 2)
    assert told(doctor(operator, "database"), "ok database fingerprints")


def test_3_a_key_in_the_wrong_place(operator: Operator) -> None:
    keys = {"SUPABASE_ANON_KEY": "sb_secret_abc", "SUPABASE_SERVICE_ROLE_KEY": "sb_publishable_abc"}
    done = check(operator, **keys)
    assert done.returncode == 1
    assert "SUPABASE_SERVICE_ROLE_KEY" in told(done, "unusable: SUPABASE_ANON_KEY")
    assert "SUPABASE_ANON_KEY" in told(done, "unusable: SUPABASE_SERVICE_ROLE_KEY")
    assert "sb_secret_abc" not in done.stdout


def test_4_a_wrong_bucket(operator: Operator) -> None:
    done = doctor(operator, "store", DO_SPACES_BUCKET="not-the-bucket")
    assert (done.returncode, "correct DO_SPACES_BUCKET" in told(done, "broken store", "not-the-bucket")) == (1, True)


def test_5_a_database_that_is_down(operator: Operator) -> None:
    url = operator.values["DATABASE_URL"]
    down = re.sub(r":\d+/", ":9/", url)
    done = doctor(operator, "database", DATABASE_URL=down)
    line = told(done, "unreachable database reach")
    assert (done.returncode, "start the database" in line, "correct DATABASE_URL" in line) == (4, True, True)


@pytest.fixture
def unmigrated(postgres: PostgresForTests) -> Iterator[str]:
    """A project of Supabase's with nothing of ours in it."""
    with postgres.database(template="template0") as url:
        with psycopg.connect(postgres.superuser_url(url.rpartition("/")[2]), autocommit=True) as server:
            migrations.bootstrap(server)
            server.execute(sql.SQL("grant usage on schema auth to {}").format(sql.Identifier(OWNER)))
        yield url


def test_6_a_database_that_is_not_migrated(operator: Operator, unmigrated: str) -> None:
    operator.values["DATABASE_URL"] = unmigrated
    done = doctor(operator, "database")
    line = told(done, "broken database migrations")
    assert done.returncode == 1
    assert operator.typed(remedy(line)).returncode == 0
    assert told(doctor(operator, "database"), "ok database migrations")


def test_7_a_wrong_role(operator: Operator, postgres: PostgresForTests, unmigrated: str) -> None:
    name = unmigrated.rpartition("/")[2]
    with migrations.open_database(unmigrated) as connection:
        migrations.migrate(connection)
    with psycopg.connect(postgres.superuser_url(name), autocommit=True) as server:
        server.execute("create role reporting login password 'of-somebody-else'")
        try:
            host = unmigrated.rpartition("@")[2]
            done = doctor(operator, "database", DATABASE_URL=f"postgresql://reporting:of-somebody-else@{host}")
            line = told(done, "broken database roles")
            assert (done.returncode, "the role that owns the tables" in line) == (1, True)
            server.execute("; ".join(re.findall(r"grant [^;]*", line)).encode())
            again = doctor(operator, "database", DATABASE_URL=f"postgresql://reporting:of-somebody-else@{host}")
            assert told(again, "ok database roles")
        finally:
            server.execute("drop owned by reporting; drop role reporting")


def test_8_a_wrong_url(operator: Operator, cloud: Cloud) -> None:
    for url in (cloud.process.file.s3.endpoint, f"{cloud.process.file.base_url}/v2"):
        done = doctor(operator, "functions", PUBLIC_URL=url)
        line = told(done, "broken functions reach", "this is not this project's function")
        assert (done.returncode, "correct PUBLIC_URL" in line, len(done.stdout.splitlines())) == (1, True, 2)


def test_9_http_where_others_read_along(operator: Operator) -> None:
    done = check(operator, SERVICE_ENV="prod", PUBLIC_URL="http://api.example.org")
    assert (done.returncode, "https" in told(done, "unusable: PUBLIC_URL")) == (1, True)


def test_10_no_cors_origin(operator: Operator, cloud: Cloud) -> None:
    config = replace(cloud.process.store.config, bucket=f"bare-{uuid.uuid4()}")
    make_bucket(config)
    operator.values["DO_SPACES_BUCKET"] = config.bucket
    none = doctor(operator, "store", PUBLIC_URL="-", ALLOWED_ORIGINS="-")
    assert "--origin" in told(none, "warning store cors:")
    page = "https://page.example"
    operator.values["ALLOWED_ORIGINS"] = page
    done = doctor(operator, "store")
    line = told(done, "broken store cors:", page)
    assert done.returncode == 1
    operator.typed(remedy(line))
    assert told(doctor(operator, "store"), "ok store cors:", page)
