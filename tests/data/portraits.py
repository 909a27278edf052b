"""Portraits for conformance, faces and cropping: scikit-image's two people x scripted variants, with true face boxes.

The list, with bases and licences, is in docs/test-pictures.md; pictures are made when asked for, once a process.
"""

import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from tests.samples.cutout import BLUE, GRAY, WHITE, before_wall
from tests.samples.portrait import as_phone_jpeg, astronaut, phone_photo, with_noise

Base = Literal["astronaut", "camera"]
FaceBox = tuple[float, float, float, float]

# Middle of the forehead to just above the chin, by hand, in the bases' pixels: x, y, width, height.
ASTRONAUT_FACE: FaceBox = (174, 66, 104, 104)
CAMERA_FACE: FaceBox = (176, 114, 84, 84)


@dataclass(frozen=True)
class Sample:
    """One portrait.

    Attributes:
        name: short, unique.
        what: what it is, in a few words.
        base: the picture that it was made from.
        frontal: whether the face looks at the camera; a profile is beyond a frontal detector.
    """

    name: str
    what: str
    base: Base
    frontal: bool
    _make: Callable[[], tuple[bytes, FaceBox]] = field(repr=False)

    @cached_property
    def _made(self) -> tuple[bytes, FaceBox]:
        return self._make()

    @property
    def data(self) -> bytes:
        """The file, as a person uploads it."""
        return self._made[0]

    @property
    def face(self) -> FaceBox:
        """The true face, middle of the forehead to just above the chin: x, y, width, height in upright pixels."""
        return self._made[1]

    @property
    def image(self) -> Image.Image:
        """Decode: upright, RGB, full size; a new picture at each call."""
        with Image.open(io.BytesIO(self.data)) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")

    @property
    def size_px(self) -> tuple[int, int]:
        """Upright width and height."""
        with Image.open(io.BytesIO(self.data)) as opened:
            return ImageOps.exif_transpose(opened).size


@cache
def portraits() -> tuple[Sample, ...]:
    """All portraits, the same objects at each call."""
    return (
        _sample("original", "the picture as it is, 512 x 512, PNG", _original),
        _sample("phone", "12 MP phone photo, sRGB profile and place in its metadata", _phone),
        _sample("phone-on-its-side", "12 MP phone photo stored on its side, EXIF orientation 6", _phone_on_its_side),
        _sample("white-wall", "12 MP before a plain white wall", lambda: _wall(WHITE, 4000, 1.04, quality=92)),
        _sample("blue-wall", "before a studio's blue wall", lambda: _wall(BLUE, 1600, 1.1)),
        _sample("gray-wall-far", "whole width of a room, small face, 4:3 across", _far),
        _sample("mirrored", "mirrored, 3:4", lambda: _framed((36, 0, 420, 512), (1200, 1600), mirror=True)),
        _sample("selfie", "close, the head fills the frame", lambda: _framed((126, 2, 330, 274), (1080, 1440))),
        _sample("square", "square, head and shoulders", lambda: _framed((76, 0, 380, 304), (1080, 1080))),
        _sample("warm", "under a warm lamp", lambda: _toned(lambda image: _tinted(image, (1.12, 1.0, 0.78)))),
        _sample("cool", "in blue shade", lambda: _toned(lambda image: _tinted(image, (0.86, 0.98, 1.12)))),
        _sample("dark", "1.3 stops too dark, with the noise that brings", _dark),
        _sample("bright", "half a stop too bright", lambda: _toned(lambda image: _exposed(image, 0.5))),
        _sample("hazy", "little contrast, as through a dirty lens", lambda: _toned(_hazy)),
        _sample("soft", "a little out of focus", lambda: _toned(lambda i: i.filter(ImageFilter.GaussianBlur(3)))),
        _sample("noisy", "a lot of sensor noise", lambda: _toned(lambda image: with_noise(image, 14, seed=11))),
        _sample("forwarded", "small and squeezed by a messenger, quality 38", _forwarded),
        _sample("thumbnail", "far too small, 240 x 320", lambda: _framed((66, 0, 402, 448), (240, 320), quality=85)),
        _sample("leaning", "the camera held 7 degrees askew", _leaning),
        _sample("gray", "black and white, one channel", lambda: _toned(lambda image: image.convert("L"))),
        Sample("profile", "a photographer from the side, black and white", "camera", frontal=False, _make=_profile),
    )


def portrait(name: str) -> Sample:
    """Look one portrait up."""
    return next(sample for sample in portraits() if sample.name == name)


def _sample(name: str, what: str, make: Callable[[], tuple[bytes, FaceBox]]) -> Sample:
    return Sample(name, what, "astronaut", frontal=True, _make=make)


def _jpeg(image: Image.Image, quality: int = 92) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _moved(face: FaceBox, scale: float, left: float, top: float) -> FaceBox:
    return (left + scale * face[0], top + scale * face[1], scale * face[2], scale * face[3])


def _original() -> tuple[bytes, FaceBox]:
    out = io.BytesIO()
    astronaut().save(out, "PNG")
    return out.getvalue(), ASTRONAUT_FACE


def _phone() -> tuple[bytes, FaceBox]:
    # phone_photo covers 3:4 with the full height of the base, its middle at x = 222.
    scale = 4000 / 512
    return as_phone_jpeg(phone_photo()), _moved(ASTRONAUT_FACE, scale, -(222 - 192) * scale, 0)


def _phone_on_its_side() -> tuple[bytes, FaceBox]:
    scale = 4000 / 512
    photo = phone_photo(seed=2)
    return as_phone_jpeg(photo, orientation=6), _moved(ASTRONAUT_FACE, scale, -(222 - 192) * scale, 0)


def _wall(
    colour: tuple[int, int, int], long_side_px: int, room: float, *, quality: int = 90, aspect: float = 0.75
) -> tuple[bytes, FaceBox]:
    image, (scale, left, top) = before_wall(colour, room=room, long_side_px=long_side_px, aspect=aspect)
    return _jpeg(with_noise(image, 2, seed=5), quality), _moved(ASTRONAUT_FACE, scale, left, top)


def _far() -> tuple[bytes, FaceBox]:
    return _wall(GRAY, 2400, 1.9, aspect=4 / 3)


def _frame(
    box: tuple[float, float, float, float], size_px: tuple[int, int], *, mirror: bool = False
) -> tuple[Image.Image, FaceBox]:
    image = astronaut().resize(size_px, Image.Resampling.LANCZOS, box=box)
    scale = size_px[0] / (box[2] - box[0])
    face = _moved(ASTRONAUT_FACE, scale, -box[0] * scale, -box[1] * scale)
    if mirror:
        return ImageOps.mirror(image), (size_px[0] - face[0] - face[2], *face[1:])
    return image, face


def _framed(
    box: tuple[float, float, float, float], size_px: tuple[int, int], *, mirror: bool = False, quality: int = 92
) -> tuple[bytes, FaceBox]:
    image, face = _frame(box, size_px, mirror=mirror)
    return _jpeg(image, quality), face


def _toned(tone: Callable[[Image.Image], Image.Image]) -> tuple[bytes, FaceBox]:
    image, face = _frame((36, 0, 420, 512), (1200, 1600))
    return _jpeg(tone(image)), face


def _tinted(image: Image.Image, gains: tuple[float, float, float]) -> Image.Image:
    bands = [
        band.point([min(255, round(level * gain)) for level in range(256)])
        for band, gain in zip(image.split(), gains, strict=True)
    ]
    return Image.merge("RGB", bands)


def _exposed(image: Image.Image, stops: float) -> Image.Image:
    """Change exposure in linear light, clipped as a sensor clips."""
    table = [min(255, round(255 * min(1.0, (level / 255) ** 2.2 * 2**stops) ** (1 / 2.2))) for level in range(256)]
    return image.point(table * 3)


def _dark() -> tuple[bytes, FaceBox]:
    return _toned(lambda image: with_noise(_exposed(image, -1.3), 7, seed=9))


def _hazy(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(ImageEnhance.Contrast(image).enhance(0.45)).enhance(1.15)


def _forwarded() -> tuple[bytes, FaceBox]:
    return _framed((66, 0, 402, 448), (720, 960), quality=38)


def _leaning() -> tuple[bytes, FaceBox]:
    image, (x, y, width, height) = _frame((60, 0, 444, 512), (1200, 1600))
    middle = (x + width / 2, y + height / 2)
    turn = cv2.getRotationMatrix2D(middle, 7, 1.0)
    leaning = cv2.warpAffine(
        np.asarray(image), turn, image.size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return _jpeg(Image.fromarray(np.asarray(leaning, np.uint8))), (x, y, width, height)


def _profile() -> tuple[bytes, FaceBox]:
    spec = importlib.util.find_spec("skimage")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    with Image.open(Path(spec.submodule_search_locations[0]) / "data" / "camera.png") as opened:
        image = opened.resize((1024, 1024), Image.Resampling.LANCZOS)
    return _jpeg(image), _moved(CAMERA_FACE, 2, 0, 0)
