"""The image's tree and the release, built for real, through the worker's own suite (`make test-image`).

Minutes, a gigabyte and a half, and a package registry: so not in `make test`. The suite runs in a network that holds
nothing but loopback, where that can be had.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.dockerfile import ROOT, apt_packages, replay

SUITE = [f"tests/integration/test_{name}.py" for name in ("worker_success", "worker_failures", "worker_faults")]
SUITE += [f"tests/integration/test_{name}.py" for name in ("worker_imports", "launcher", "launcher_failures")]
PACKAGES = Path("lib", "python3.11", "site-packages")
BASE = Path(getattr(sys, "_base_executable", sys.executable))
# What a slim Debian has: the C library's own, and what apt itself is linked to.
_SYSTEM = re.compile(r"^(lib(c|m|dl|rt|pthread|util|resolv|stdc\+\+|gcc_s|z)\.so(\.\d+)*|ld-linux[\w.-]*)$")
_LIBRARIES = {"libgomp1": "libgomp.so.1"}

pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the worker is built by Python 3.11"),
]


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    """Beside the checkout's other builds: /tmp may be memory."""
    folder = ROOT / "build" / "test-image"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(room: Path) -> Path:
    """The prefix that the Dockerfile's stage `build` leaves."""
    programs = room / "usr-bin"
    programs.mkdir()
    (programs / "python").symlink_to(BASE)
    prefix = room / "image" / "opt" / "rythmiq"
    replay(room / "image", {"PREFIX": str(prefix)}, f"{programs}:/usr/bin:/bin")
    return prefix


@pytest.fixture(scope="module")
def unpacked(room: Path) -> Path:
    """The release, unpacked with no environment by an interpreter at another prefix; that is all it finds."""
    elsewhere = room / "elsewhere"
    (elsewhere / "bin").mkdir(parents=True)
    shutil.copy2(BASE.resolve(), elsewhere / "bin" / "python3.11")
    (elsewhere / "lib").symlink_to(BASE.resolve().parents[1] / "lib")
    (file,) = built(room / "release").glob("*.run")
    target = room / "unpacked"
    environ = {"RYTHMIQ_PYTHON": str(elsewhere / "bin" / "python3.11"), "LD_LIBRARY_PATH": str(elsewhere / "lib")}
    subprocess.run(["/bin/sh", file, "--unpack", target], check=True, env=environ, cwd=file.parent)
    assert f"home = {elsewhere / 'bin'}" in (target / "pyvenv.cfg").read_text(encoding="utf-8")
    return target


def built(output: Path) -> Path:
    subprocess.run([sys.executable, ROOT / "layers" / "worker" / "release.py", output], check=True)
    return output


def through_the_suite(prefix: Path, *tests: str) -> None:
    """Run tests with the worker of a prefix."""
    environ = {**os.environ, "RYTHMIQ_TEST_WORKER_PYTHON": str(prefix / "bin" / "python")}
    unshare = shutil.which("unshare")
    apart = unshare is not None and subprocess.run([unshare, "-rn", "true"], check=False).returncode == 0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={prefix}.tests", *tests]
    if unshare is not None and apart:
        command = [unshare, "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
    subprocess.run(command, check=True, cwd=ROOT, env=environ)


def test_the_suite_runs_in_a_network_of_its_own() -> None:
    """Where that cannot be had, the suite runs all the same, and this says that it did not show what it is to show."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], check=False).returncode:
        pytest.skip("no name spaces for users here: the suite had the machine's whole network")
    looked = subprocess.run([unshare, "-rn", "cat", "/proc/net/dev"], check=True, capture_output=True, text=True).stdout
    assert [line.split(":")[0].strip() for line in looked.splitlines() if ":" in line] == ["lo"]


def test_the_images_tree_passes_the_workers_suite(image: Path) -> None:
    through_the_suite(image, *SUITE)


def test_the_image_reads_text_with_paddleocr_too(image: Path) -> None:
    through_the_suite(image, "-m", "image", "tests/integration/test_worker_paddle.py")


@pytest.mark.parametrize("name", ["image", "unpacked"])
def test_every_library_is_in_the_tree_or_in_a_slim_debian(name: str, request: pytest.FixtureRequest) -> None:
    prefix: Path = request.getfixturevalue(name)
    libraries = [path for path in prefix.rglob("*") if re.search(r"\.so(\.\w+)*$", path.name) and path.is_file()]
    inside = {path.name for path in libraries}
    needed: set[str] = set()
    for start in range(0, len(libraries), 200):
        told = subprocess.run(
            [shutil.which("objdump") or "objdump", "-p", *libraries[start : start + 200]],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        needed |= set(re.findall(r"^\s+NEEDED\s+(\S+)$", told, re.MULTILINE))
    if name == "image":
        inside |= {_LIBRARIES[package] for package in apt_packages()}
    missing = {library for library in needed - inside if not _SYSTEM.match(library)}
    assert needed
    assert missing == set()


def test_the_release_passes_the_same_suite_at_another_prefix(unpacked: Path) -> None:
    through_the_suite(unpacked, *SUITE)


def test_a_second_build_of_the_release_gives_the_same_bytes(room: Path, unpacked: Path) -> None:
    assert unpacked.is_dir()
    (first,) = (room / "release").glob("*.run.sha256")
    before = first.read_text(encoding="ascii")
    built(room / "release")
    assert first.read_text(encoding="ascii") == before
    assert before in (room / "release" / "SHA256SUMS").read_text(encoding="ascii")


def test_the_bill_names_every_package_and_model_with_a_licence(image: Path) -> None:
    page = (image / "bill" / "licences.md").read_text(encoding="utf-8")
    assert "not stated" not in page
    for word in (
        "| opencv-python-headless |",
        "| paddlepaddle |",
        "PP-OCRv6_det_small.onnx",
        "| face_landmark.tflite |",
    ):
        assert word in page
