"""`make bundle`: every function's zip, built as DigitalOcean's deployer builds it.

The deployer sees `project.yml`, `packages/` and `lib/` and nothing else. It runs `lib/build.sh` in `lib/`, then each
function's `build.sh` in its directory, and packs what the function's `.include` names: paths inside the function, and
paths that begin with `../../../lib`, of which only the last part survives. Directory links are followed, file links are
not. The same is built here from a copy without links (`infra/stage_functions.py`), so that nothing built is left beside
the sources, where a remote build would upload it.

Zips are deterministic: sorted, one time stamp.

Source: digitalocean/functions-deployer, as in docs/digitalocean-functions.md.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rythmiq.contracts.errors import RythmiqError

ROOT = Path(__file__).parents[3]
MAX_ZIPPED_BYTES = 14_000_000
MAX_UNPACKED_BYTES = 45_000_000
_LIB = "../../../lib"
_SINCE_1980 = (1980, 1, 1, 0, 0, 0)
_LEVEL = 1  # the deployer's archiver compresses with ZLIB_BEST_SPEED, so sizes here are its sizes


class BundleError(RythmiqError):
    """A function cannot be built; the message names what the deployer would refuse."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One function's zip."""

    package: str
    function: str
    path: Path
    unpacked_bytes: int

    @property
    def name(self) -> str:
        """`{package}/{function}`."""
        return f"{self.package}/{self.function}"


def build_bundles(project: Path, output: Path, *, postgres: bool = False) -> list[Bundle]:
    """Build the layer and every function of a project into `output/{package}/{function}.zip`.

    Args:
        project: a directory with `packages/` and `lib/`, with links or without.
        output: where zips go.
        postgres: whether functions can be given DATABASE_URL (psycopg, 4 MB more a zip).

    Raises:
        BundleError: a script fails, or an `.include` names what the deployer would refuse.
    """
    _run(project / "lib" / "build.sh", {"PYTHON": sys.executable, "WITH_POSTGRES": "yes" if postgres else "no"})
    bundles = []
    layers: dict[frozenset[str], bytes] = {}
    for directory in function_directories(project):
        _run(directory / "build.sh", {})
        target = output / directory.parent.name / f"{directory.name}.zip"
        target.parent.mkdir(parents=True, exist_ok=True)
        bundles.append(_zipped(directory, target, layers))
    return bundles


def function_directories(project: Path) -> list[Path]:
    """Each function's directory, as `{project}/packages/{package}/{function}`."""
    return sorted(main.parent for main in (project / "packages").glob("*/*/__main__.py"))


def unpack(bundle: Bundle, directory: Path) -> Path:
    """Unpack a zip where a function runs: `{directory}/{package}/{function}`."""
    target = directory / bundle.package / bundle.function
    target.mkdir(parents=True)
    with zipfile.ZipFile(bundle.path) as opened:
        opened.extractall(target)
    return target


def stage(project: Path, output: Path) -> Path:
    """Copy what the deployer sees to `output`, without links (`infra/stage_functions.py`)."""
    spec = importlib.util.spec_from_file_location("stage_functions", ROOT / "infra" / "stage_functions.py")
    if spec is None or spec.loader is None:
        raise AssertionError("the script is part of the tree")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.stage(project, output)
    return output


def _run(script: Path, environ: dict[str, str]) -> None:
    if not os.access(script, os.X_OK):
        raise BundleError(f"{script} is not there or cannot be executed")
    done = subprocess.run(  # noqa: S603  our own script
        [script.resolve()], cwd=script.parent, env={**os.environ, **environ}, check=False, stdout=sys.stderr
    )
    if done.returncode:
        raise BundleError(f"{script} ended with {done.returncode}")


def _zipped(directory: Path, target: Path, layers: dict[frozenset[str], bytes]) -> Bundle:
    """Pack one function; a layer that an earlier one has is not compressed again."""
    files = included_files(directory)
    own = {name: path for name, path in files.items() if path.is_relative_to(directory)}
    layer = frozenset(files.keys() - own.keys())
    target.unlink(missing_ok=True)
    if layer in layers:
        target.write_bytes(layers[layer])
    else:
        _add(target, {name: files[name] for name in layer})
        layers[layer] = target.read_bytes()
    _add(target, own)
    unpacked_bytes = sum(path.stat().st_size for path in files.values())
    return Bundle(directory.parent.name, directory.name, target, unpacked_bytes)


def _add(target: Path, files: dict[str, Path]) -> None:
    with zipfile.ZipFile(target, "a") as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _SINCE_1980)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
            archive.writestr(entry, path.read_bytes(), compresslevel=_LEVEL)


def included_files(directory: Path) -> dict[str, Path]:
    """The files that a function's `.include` names, by name in the zip.

    Raises:
        BundleError: the deployer would refuse a line, or pack a link that leads nowhere.
    """
    files: dict[str, Path] = {}
    for line in (directory / ".include").read_text(encoding="utf-8").split("\n"):
        entry = line.strip()
        if not entry:
            continue
        if ".." in entry.removeprefix(_LIB).split("/") or not (entry.startswith(f"{_LIB}/") or entry[:2] != ".."):
            raise BundleError(f"{directory / '.include'}: illegal use of '..' in {entry}")
        path = Path(os.path.normpath(directory / entry))
        if path.is_symlink() or not path.exists():
            raise BundleError(f"{directory / '.include'}: {entry} is neither a file nor a directory")
        name = path.name if entry.startswith(_LIB) else entry
        files |= {name: path} if path.is_file() else {f"{name}/{inner}": file for inner, file in _walk(path)}
    return files


def _walk(directory: Path) -> Iterator[tuple[str, Path]]:
    for parent, _, names in os.walk(directory, followlinks=True):
        for name in names:
            path = Path(parent, name)
            if path.is_symlink():
                raise BundleError(f"{path} is a link to a file, which the deployer would pack as a link")
            yield str(path.relative_to(directory)), path


def main() -> int:
    """Build all bundles; exit 1 when one is too large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bundles")
    parser.add_argument("--postgres", action="store_true", help="with psycopg, for functions with DATABASE_URL")
    arguments = parser.parse_args()
    project = stage(ROOT, ROOT / "build" / "do-functions")
    large = False
    for bundle in build_bundles(project, arguments.output, postgres=arguments.postgres):
        zipped_bytes = bundle.path.stat().st_size
        large |= zipped_bytes > MAX_ZIPPED_BYTES or bundle.unpacked_bytes > MAX_UNPACKED_BYTES
        print(f"{bundle.name:20} {zipped_bytes / 1e6:6.2f} MB zipped {bundle.unpacked_bytes / 1e6:6.2f} MB unpacked")
    return int(large and not arguments.postgres)


if __name__ == "__main__":
    sys.exit(main())
