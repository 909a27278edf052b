"""`make release`: the worker in one file, for Camber's base engine and any Linux with CPython 3.11.

    python release.py OUTPUT

Writes `rythmiq-worker-{version}.run` (a few lines of shell, then a ZIP archive that Python runs: archive/start.sh and
archive/__main__.py), its checksum, its bill of materials and its licences. It holds the default text engine; PaddleOCR
would be a gigabyte, which Camber would copy and unpack for each job. Same inputs and the same Python: same bytes. The
packages are kept below OUTPUT until the lock changes. Needs nothing but Python's standard library and pip.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import bind
import install
import sbom
import verify_release
import weights

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LOCK = HERE / "requirements.txt"
PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17)), "manylinux2014_x86_64")
"""Tags of wheels that run on glibc 2.28, which archive/__main__.py asks for."""
_NOT_PACKED = ("bin", "pyvenv.cfg")  # made where it is unpacked
_SINCE_1980 = (1980, 1, 1, 0, 0, 0)
_TREE = "tree/"
_LEVEL = 9


def release(output: Path) -> Path:
    """Build the release; the one file.

    Raises:
        subprocess.CalledProcessError: pip fails, or what was installed is not whole.
        weights.WeightsError: the data of English or Hindi is not on this machine.
    """
    output.mkdir(parents=True, exist_ok=True)
    packages = _packages(output)
    with tempfile.TemporaryDirectory(dir=output, prefix=".tree-") as room:
        tree = Path(room, "tree")
        shutil.copytree(packages, tree, copy_function=os.link)
        install.install_worker(tree, ROOT)
        weights.copy_tessdata(tree / "tessdata")
        told = sbom.write(tree, LOCK)
        _check(tree)
        file = output / f"rythmiq-worker-{sbom.version_of(tree)}.run"
        write_archive(tree, file)
        for name in ("sbom.cdx.json", "licences.md"):
            shutil.copyfile(told / name, output / name)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.with_suffix(".run.sha256").write_text(f"{digest}  {file.name}\n", encoding="ascii")
    published = [file, output / "sbom.cdx.json", output / "licences.md"]
    (output / verify_release.SUMS).write_text(verify_release.checksums(published), encoding="ascii")
    return file


def write_archive(tree: Path, file: Path) -> None:
    """Write the one file from an installed prefix."""
    beside = file.with_suffix(".part")
    with beside.open("wb") as out:
        out.write((HERE / "archive" / "start.sh").read_bytes())
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
            for name, path in _entries(tree):
                entry = zipfile.ZipInfo(name, _SINCE_1980)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    beside.chmod(0o755)
    beside.replace(file)


def _entries(tree: Path) -> Iterator[tuple[str, Path]]:
    yield "__main__.py", HERE / "archive" / "__main__.py"
    yield "bind.py", HERE / "bind.py"
    for path in sorted(tree.rglob("*")):
        inside = path.relative_to(tree)
        if path.is_file() and inside.parts[0] not in _NOT_PACKED:
            yield f"{_TREE}{inside.as_posix()}", path


def _packages(output: Path) -> Path:
    """The installed packages of the lock, from an earlier build if there was one."""
    inputs = b"".join(path.read_bytes() for path in (LOCK, HERE / "install.py")) + repr(PLATFORMS).encode()
    kept = output / f".packages-{hashlib.sha256(inputs).hexdigest()[:16]}"
    if not kept.is_dir():
        for old in output.glob(".packages-*"):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=output, prefix=".new-") as room:
            install.install_packages(Path(room, "packages"), LOCK, PLATFORMS)
            Path(room, "packages").rename(kept)
    return kept


def _check(tree: Path) -> None:
    python = bind.bind(tree, bind.base_interpreter())
    subprocess.run([python, "-m", "rythmiq_worker.installation"], check=True, cwd=tree, env={})  # noqa: S603  our own


def main(arguments: Sequence[str]) -> None:
    """Read the command line, build, and say what was built."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path)
    asked = parser.parse_args(arguments)
    if sys.version_info[:2] != bind.VERSION:
        parser.error(f"the release is built by Python 3.11, whose bytecode it carries, not {sys.version.split()[0]}")
    file = release(asked.output.absolute())
    sys.stdout.write(f"{file}  {file.stat().st_size / 1e6:.0f} MB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
