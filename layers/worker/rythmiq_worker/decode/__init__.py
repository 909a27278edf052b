"""Files of any format to upright sRGB pixels; here, what all formats share.

EXIF's orientation is an element of the dihedral group: a mirror (left for right, done first) followed by quarter turns
clockwise. It and a person's wish to rotate combine into one transposition of the pixels.

Whatever a decoder does with hostile bytes becomes DECODE_FAILED. Decoders of half a dozen vendors raise SyntaxError,
struct.error, KeyError, OverflowError or MemoryError on damaged input, and warn about what they could skip.
`decoder_door` lets none of that through.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from PIL import Image

from rythmiq.contracts.errors import DetailValue, ErrorCode, JobError
from rythmiq_worker.walls.lockdown import cpu_bound, is_walled


@dataclass(frozen=True, slots=True)
class Turn:
    """Brings stored pixels upright: mirrors left for right if asked, then turns clockwise."""

    mirrored: bool = False
    quarters_clockwise: int = 0

    def then_clockwise(self, degrees: int) -> "Turn":
        """Add a turn clockwise, in multiples of 90 degrees."""
        return Turn(self.mirrored, (self.quarters_clockwise + degrees // 90) % 4)

    @property
    def identity(self) -> bool:
        """Whether the stored pixels are upright as they are."""
        return not self.mirrored and self.quarters_clockwise == 0

    @property
    def swaps_sides(self) -> bool:
        """Whether the stored width is the upright height."""
        return self.quarters_clockwise % 2 == 1

    def apply(self, image: Image.Image) -> Image.Image:
        """Bring stored pixels upright; the image itself when nothing is to be done."""
        method = _METHODS.get((self.mirrored, self.quarters_clockwise))
        return image if method is None else image.transpose(method)


UPRIGHT: Final = Turn()

_METHODS: Final = {
    (False, 1): Image.Transpose.ROTATE_270,
    (False, 2): Image.Transpose.ROTATE_180,
    (False, 3): Image.Transpose.ROTATE_90,
    (True, 0): Image.Transpose.FLIP_LEFT_RIGHT,
    (True, 1): Image.Transpose.TRANSVERSE,
    (True, 2): Image.Transpose.FLIP_TOP_BOTTOM,
    (True, 3): Image.Transpose.TRANSPOSE,
}

_BY_EXIF: Final = {
    1: UPRIGHT,
    2: Turn(mirrored=True),
    3: Turn(quarters_clockwise=2),
    4: Turn(mirrored=True, quarters_clockwise=2),
    5: Turn(mirrored=True, quarters_clockwise=3),
    6: Turn(quarters_clockwise=1),
    7: Turn(mirrored=True, quarters_clockwise=1),
    8: Turn(quarters_clockwise=3),
}


def exif_turn(image: Image.Image) -> Turn:
    """Read an opened picture's EXIF orientation; a broken or unknown one counts as upright."""
    try:
        orientation = image.getexif().get(0x0112)
    except Exception:  # noqa: BLE001  EXIF is a TIFF written by anybody; what cannot be read says nothing
        return UPRIGHT
    return _BY_EXIF.get(orientation, UPRIGHT) if isinstance(orientation, int) else UPRIGHT


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
