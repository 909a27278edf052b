"""Copies Tesseract's data for English and Hindi into a folder, as the release does, from Debian's packages here.

    python tessdata.py FOLDER

The data comes from `tesseract-ocr-eng` and `tesseract-ocr-hin`: whoever builds installs them first, and TESSDATA_PREFIX
names their folder where it is another than the system's. Each file is held to its hash in models.lock. The image takes
its data, of every language, from the packages themselves (Dockerfile). Needs nothing but Python's standard library.
"""

import argparse
import hashlib
import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

LOCK = Path(__file__).resolve().parent / "models.lock"
PLACE = "tessdata"
RELEASED = ("eng.traineddata", "hin.traineddata")
SYSTEM = ("/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata", "/usr/share/tessdata")
ADVICE = "install Debian's tesseract-ocr-eng and tesseract-ocr-hin, or name their folder in TESSDATA_PREFIX"


class TessdataError(Exception):
    """The data is not there, or is another; the message says which file and what to do."""


def copy(folder: Path, lock: Path = LOCK, environ: Mapping[str, str] = os.environ) -> None:
    """Copy the data that a release carries.

    Args:
        folder: is made.
        lock: models.lock, with the hash of each file.
        environ: names the folder of the data.

    Raises:
        TessdataError: a file is nowhere on this machine as models.lock has it.
    """
    entries = tomllib.loads(lock.read_text(encoding="utf-8"))["model"]
    hashes = {entry["file"]: entry["sha256"] for entry in entries if entry["place"] == PLACE}
    named = environ.get("TESSDATA_PREFIX")
    places = [Path(place) for place in ([named] if named else []) + list(SYSTEM)]
    folder.mkdir(parents=True, exist_ok=True)
    for name in RELEASED:
        found = [data for place in places if (data := _read(place / name)) is not None]
        right = [data for data in found if hashlib.sha256(data).hexdigest() == hashes[name]]
        if not right:
            what = "is another file than the one of models.lock" if found else "is missing"
            raise TessdataError(f"{name} {what}: {ADVICE}.")
        (folder / name).write_bytes(right[0])


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def main(arguments: Sequence[str]) -> int:
    """Read the command line and do it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    try:
        copy(parser.parse_args(arguments).folder)
    except TessdataError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
