"""The service does what its OpenAPI document says: schemathesis, all checks, in every phase, within a minute."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.cloud_process import CloudProcess
from tests.support import loopback

SECONDS = 45
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.explores
def test_the_service_does_what_its_openapi_document_says(process: CloudProcess, user_id: str, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes(loopback.get(f"{process.file.base_url}/api/app/openapi.json").content)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--no-color", "--config-file", str(CONFIG)),
            *("run", str(document), "--url", process.file.base_url),
            *("--header", f"Authorization: Bearer {process.token(user_id)}"),
            *("--header", f"X-Webhook-Secret: {process.file.webhook_secret}"),
            *("--header", f"X-Reconcile-Secret: {process.file.reconcile_secret}"),
            *("--seed", "1", "--max-examples", "10", "--max-time", str(SECONDS), "--warnings", "off"),
            *("--request-timeout", "30", "--continue-on-failure"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:]
