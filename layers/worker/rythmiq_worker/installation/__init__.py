"""Finds the files of the worker's own networks, which no installed package brings.

The operator's folder (OCR_MODELS_DIR) goes first, file by file: one that holds PaddleOCR's folders alone hides nothing.
Then comes the folder that the build filled: `layers/worker/models` in a checkout, `models` below the prefix in the
image and the release. Nothing is ever fetched here; `layers/worker/weights.py` does that, when the worker is built.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from rythmiq.contracts.errors import ErrorCode, JobError

VARIABLE = "OCR_MODELS_DIR"
FOLDER = "models"
ADVICE = (
    "run `make setup` in a checkout, build the image or the release anew, or fetch it with `python "
    f"layers/worker/weights.py FOLDER` and set {VARIABLE}=FOLDER"
)
_BESIDE = Path(__file__).resolve().parents[2]
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
        beside: the folder that this package lies in; a checkout's has models.lock in it.
    """
    if (beside / "models.lock").is_file():
        return beside / FOLDER
    return beside.parents[2] / FOLDER  # of PREFIX/lib/python3.11/site-packages
