"""Where results go: a folder that is made if missing, and files that are written whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rythmiq_cli.exits import usage


@contextlib.contextmanager
def output_folder(output: Path) -> Iterator[None]:
    """Make the folder; translate what the file system says."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        usage(f"{output}: {error.strerror}")


def write_whole(path: Path, data: bytes) -> None:
    """Write the whole file or none of it."""
    handle, temporary = tempfile.mkstemp(prefix=".rythmiq-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
