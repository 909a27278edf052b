"""Translates whatever a decoder does with hostile bytes into DECODE_FAILED.

Decoders of half a dozen vendors raise SyntaxError, struct.error, KeyError, OverflowError or MemoryError on damaged
input, and warn about what they could skip. `decoder_door` lets none of that through.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from rythmiq.contracts.errors import DetailValue, ErrorCode, JobError
from rythmiq_worker.walls.lockdown import cpu_bound, is_walled

Reason = Literal[
    "empty",
    "unknown_format",
    "truncated",
    "damaged",
    "too_many_pixels",
    "out_of_memory",
    "too_complex",
    "pdf_encrypted",
    "pdf_no_pages",
]

_SENTENCES: dict[Reason, str] = {
    "empty": "The upload is empty.",
    "unknown_format": "The upload is not an image or PDF that we read.",
    "truncated": "The file ends before its picture does.",
    "damaged": "The file is damaged and cannot be read.",
    "too_many_pixels": "The picture has more pixels than we take.",
    "out_of_memory": "The picture needs more memory than there is.",
    "too_complex": "The file asks for more work or memory than we give it.",
    "pdf_encrypted": "The PDF is protected by a password.",
    "pdf_no_pages": "The PDF has no pages.",
}


# Of one decode, in a walled process: the largest picture that the pixel budget permits takes 5 s.
DECODER_CPU_S: Final = 10


def undecodable(reason: Reason, **facts: DetailValue) -> JobError:
    """Make a DECODE_FAILED with a sentence and `detail.reason`."""
    return JobError(ErrorCode.DECODE_FAILED, _SENTENCES[reason], detail={"reason": reason, **facts})


# libjpeg's JPEG_MAX_DIMENSION: a master is a JPEG, so that a longer side could be read and not be kept.
_MAX_SIDE_PX: Final = 65_500


def require_pixels(width_px: int, height_px: int, max_pixels: int) -> None:
    """Refuse a picture above the pixel budget, too long for a JPEG or without pixels, before anything is decoded.

    Raises:
        JobError: DECODE_FAILED, `too_many_pixels` or `damaged`.
    """
    if width_px < 1 or height_px < 1:
        raise undecodable("damaged")
    if width_px * height_px > max_pixels or max(width_px, height_px) > _MAX_SIDE_PX:
        raise undecodable("too_many_pixels", width_px=width_px, height_px=height_px, max_pixels=max_pixels)


@contextmanager
def decoder_door() -> Iterator[None]:
    """Run a decoder: its warnings are dropped, and its exceptions become DECODE_FAILED.

    Raises:
        JobError: DECODE_FAILED with `detail.reason`; the vendor's words stay out, because they may quote the file.
    """
    try:
        # Warnings are about metadata that never survives; where they are errors they would change the verdict.
        with warnings.catch_warnings(), cpu_bound(DECODER_CPU_S):
            warnings.simplefilter("ignore")
            yield
    except (JobError, ImportError, PermissionError):
        raise  # the last two are our own installation's fault, and nothing that its owner could mend in a file
    except MemoryError:
        raise undecodable("out_of_memory") from None
    except Exception as error:
        # A hostile file can make a decoder raise anything, and this is the one door for it. EOFError is what Pillow's
        # plugins raise when a header or a chunk is cut short.
        cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
        raise undecodable("truncated" if cut else "damaged") from error


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Send what native code prints on file descriptor 2 to nowhere: libtiff writes its complaints there.

    STDERR is the log, one JSON line an event, and the complaints quote the file. A walled process has none.
    """
    if is_walled():
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
