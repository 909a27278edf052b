"""`rythmiq doctor` on the whole cloud of this machine, as an operator runs it."""

import json
import os
import subprocess
from pathlib import Path

from tests.e2e.cloud_process import RYTHMIQ
from tests.e2e.conftest import Cloud


def doctor(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [str(RYTHMIQ), "doctor", "--json", *arguments]
    return subprocess.run(command, env={**kept, **environ}, capture_output=True, text=True, check=False)


def test_the_cloud_of_this_machine_is_well(cloud: Cloud) -> None:
    done = doctor("--cloud", str(cloud.process.data_dir))
    findings = json.loads(done.stdout)["findings"]
    ill = {f"{row['area']}/{row['probe']}": row["state"] for row in findings if row["state"] != "ok"}
    # moto takes no conditional policy, the spy before this store is the page's origin for nobody, and other tests leave
    # uploads that nothing opens
    assert set(ill) <= {"store/policy", "store/lifecycle", "store/cors", "store/objects"}, ill
    assert ill.get("store/objects") in {None, "warning"}
    assert {row["area"] for row in findings} == {"store", "database", "functions"}
    assert cloud.process.file.s3.secret_key not in done.stdout
    assert cloud.process.file.metrics_token not in done.stdout


def test_what_is_away_is_exit_4_and_what_is_broken_exit_1(cloud: Cloud) -> None:
    away = doctor(
        "--only", "database", DATABASE_URL="postgresql://a:b@127.0.0.1:9/c", SUPABASE_URL="http://127.0.0.1:9"
    )
    assert away.returncode == 4
    token = "another-token-altogether"
    other = doctor("--only", "functions", PUBLIC_URL=cloud.process.file.base_url, METRICS_TOKEN=token)
    assert other.returncode == 1
    assert token not in other.stdout


def test_it_is_misused_without_anything_to_look_at(tmp_path: Path) -> None:
    assert doctor().returncode == 2
    assert doctor("--only", "weather").returncode == 2
    assert doctor("--cloud", str(tmp_path)).returncode == 2
