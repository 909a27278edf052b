"""EXIF orientation as an element of the dihedral group.

A turn is a mirror (left for right, done first) followed by quarter turns clockwise. EXIF's orientation and a person's
wish to rotate combine into one transposition of the pixels.
"""

from dataclasses import dataclass
from typing import Final

from PIL import Image


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
