"""What functions take of memory when they really work: a job is created, a webhook packs, links are signed."""

import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.cloud_process import CloudProcess, descendants, processes

PROJECT = yaml.safe_load((Path(__file__).parents[2] / "project.yml").read_text(encoding="utf-8"))
MEMORY_MB = {
    f"{package['name']}/{function['name']}": function["limits"]["memory"]
    for package in PROJECT["packages"]
    for function in package["functions"]
}


def peak_mb(pid: int) -> float:
    """The peak resident set of a process, with its unpacked bundle, which on the platform is memory too."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    resident_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    bundle = Path(f"/proc/{pid}/cwd").resolve()
    return resident_kb / 1024 + sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) / 1e6


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="bundles run on Python 3.11 alone")
def test_every_function_keeps_within_its_memory(process: CloudProcess, portrait: bytes) -> None:
    with process.client() as client:
        job_id = client.submit(portrait, "neet-2026", "photo", filename="photo.jpg").job_id
        client.wait(job_id, timeout_s=240)
        client.job(job_id)
    of_the_cloud = set(descendants(process.file.pid))
    peaks_mb = {
        name: peak_mb(pid) for name in MEMORY_MB for pid in processes("function_launcher", name) if pid in of_the_cloud
    }
    assert {"api/uploads", "api/jobs", "internal/webhooks"} <= set(peaks_mb)
    assert {name: mb for name, mb in peaks_mb.items() if mb > MEMORY_MB[name]} == {}
