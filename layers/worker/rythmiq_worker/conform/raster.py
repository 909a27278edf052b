"""JPEG and PNG to a byte budget.

A JPEG is searched over the scale of one quantisation table. Integer quality steps change the size by 5 to 12 % above
90, so a search over them leaves that much unused. Here the scale `s` of the table is continuous; the size falls
smoothly with `ln s`, so a secant finds the budget in few encodes. The first steps use plain baseline encodes, which
cost a fifth of progressive ones and have the same slope. The table is half Robidoux's (ImageMagick's and mozjpeg's
third) and half flat 16, for luma and chroma alike: the best mean SSIM at equal bytes of those measured
(docs/decisions.md).

A PNG is lossless first, then of fewer colours; it is padded in a private chunk before its end.
"""

import contextlib
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module

from PIL import Image, ImageFile

MAX_ENCODES = 8
NEAR_LOSSLESS = 0.04
COARSEST = 8.0
_MOST_DETAIL = 0.02
_FILL = 0.97
_AIM = 0.988
_BITS_FOR_FULL_CHROMA = 4.5
_BITS_FOR_NEAR_LOSSLESS = 3.0
_NEARLY = 0.53  # ln of how far near-lossless may be over the budget: halved chroma would leave too much of it
_CHEAP_EXCESS = 0.12  # ln of plain baseline over progressive and optimised, to begin with
_SLOPE = -0.6  # ln bytes over ln scale, to begin with
_CHEAP_PROBES = 3
_MOST_PROBES = 5  # of one picture, so that three encodes are left to close in
_USUAL_SCALE, _FINE_SCALE = 0.35, 0.12  # where a search begins
_CLOSE = 0.02
_ROUNDING_SPREAD = 0.6
_MAX_SEGMENT_PAYLOAD = 65_533
_PAD_BYTE = b" "

# fmt: off
_ROBIDOUX = (
    16, 16, 16, 18, 25, 37, 56, 85, 16, 17, 20, 27, 34, 40, 53, 75, 16, 20, 24, 31, 43, 62, 91, 135,
    18, 27, 31, 40, 53, 74, 106, 156, 25, 34, 43, 53, 69, 94, 131, 189, 37, 40, 62, 74, 94, 124, 169, 238,
    56, 53, 91, 106, 131, 169, 226, 311, 85, 75, 135, 156, 189, 238, 311, 418,
)
# fmt: on
_MIX = tuple(0.5 * entry + 8 for entry in _ROBIDOUX)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A JPEG within its budget.

    Attributes:
        data: the file.
        scale: of the quantisation table; 0.04 is near-lossless, above 6 is poor.
        encodes: how many encodes it took, cheap ones too.
        padded_bytes: how many of the bytes are padding.
    """

    data: bytes = field(repr=False)
    scale: float
    encodes: int
    padded_bytes: int = 0


class TooLargeError(Exception):
    """Not even the coarsest table fits.

    Args:
        smallest_bytes: the smallest file that was made.
    """

    def __init__(self, smallest_bytes: int) -> None:
        super().__init__(f"the smallest file has {smallest_bytes} bytes")
        self.smallest_bytes = smallest_bytes


def fit_jpeg(
    image: Image.Image, *, max_bytes: int | None, min_bytes: int = 0, dpi: int | None, quality: int | None = None
) -> Encoded:
    """Encode an RGB or gray picture into a progressive JFIF file of `min_bytes` to `max_bytes`.

    Args:
        image: mode RGB or L.
        max_bytes: the cap; None takes `quality`, or near-lossless.
        min_bytes: the floor; reached by detail first, then by padding.
        dpi: written into the JFIF header.
        quality: Pillow's scale; bounds the file when no cap does.

    Raises:
        TooLargeError: nothing fits under the cap.
    """
    search = _Search(image, dpi)
    if max_bytes is None:
        scale = NEAR_LOSSLESS if quality is None else max(NEAR_LOSSLESS, _scale_of_quality(quality))
        found = Encoded(search.encode(scale, full_chroma=quality is None), scale, search.encodes)
    else:
        found = search.run(max_bytes)
    if len(found.data) >= min_bytes:
        return found
    finest = search.encode(_MOST_DETAIL, full_chroma=True)
    if max_bytes is None or len(finest) <= max_bytes:
        found = Encoded(finest, _MOST_DETAIL, search.encodes)
    data = pad_jpeg(found.data, min_bytes)
    return Encoded(data, found.scale, search.encodes, len(data) - len(found.data))


def pad_jpeg(data: bytes, min_bytes: int) -> bytes:
    """Grow a JPEG to at least `min_bytes` by comment segments before its tables; never by bytes after its end."""
    missing = min_bytes - len(data)
    segments = bytearray()
    while missing > 0:
        payload = min(max(missing - 4, 0), _MAX_SEGMENT_PAYLOAD)
        segments += b"\xff\xfe" + (payload + 2).to_bytes(2, "big") + _PAD_BYTE * payload
        missing -= payload + 4
    after_jfif = 4 + int.from_bytes(data[4:6], "big")
    return data[:after_jfif] + bytes(segments) + data[after_jfif:]


class _Search:
    """One picture's encodes, counted."""

    def __init__(self, image: Image.Image, dpi: int | None) -> None:
        self._image = image
        self._dpi = dpi
        self.encodes = 0

    def encode(self, scale: float, *, full_chroma: bool, cheap: bool = False) -> bytes:
        self.encodes += 1
        luma, chroma = _table(scale, 0.0), _table(scale, 0.5)
        out = io.BytesIO()
        with _room_for(self._image):
            self._image.save(
                out,
                "JPEG",
                qtables=[luma] if self._image.mode == "L" else [luma, chroma],
                subsampling=0 if full_chroma else 2,
                progressive=not cheap,
                optimize=not cheap,
                **({"dpi": (self._dpi, self._dpi)} if self._dpi else {}),
            )
        return out.getvalue()

    def run(self, max_bytes: int) -> Encoded:
        goal = math.log(max_bytes * _AIM)
        bits = max_bytes * 8 / (self._image.width * self._image.height)
        full_chroma, at, slope = False, math.log(NEAR_LOSSLESS), _SLOPE
        if bits < _BITS_FOR_NEAR_LOSSLESS:
            at, slope = self._probe(goal, [], math.log(_USUAL_SCALE), full_chroma=False)
        if at <= math.log(NEAR_LOSSLESS):
            # A loose budget or an easy picture: spend it on whole chroma, near-lossless if that fits.
            size = math.log(len(self.encode(NEAR_LOSSLESS, full_chroma=True, cheap=True)))
            at = math.log(NEAR_LOSSLESS)
            if size - _CHEAP_EXCESS > goal + _NEARLY and bits < _BITS_FOR_FULL_CHROMA:
                at, slope = self._probe(goal, [], math.log(_FINE_SCALE), full_chroma=False)
            else:
                full_chroma = True
                if size - _CHEAP_EXCESS > goal:
                    following = _clamp(at + (goal + _CHEAP_EXCESS - size) / slope)
                    at, slope = self._probe(goal, [(at, size)], following, full_chroma=True)
        return self._refine(max_bytes, goal, at, slope, full_chroma=full_chroma)

    def _probe(
        self, goal: float, points: list[tuple[float, float]], at: float, *, full_chroma: bool
    ) -> tuple[float, float]:
        """Find, by cheap encodes, about which scale meets the goal, and the slope there."""
        slope = _SLOPE
        while len(points) < _CHEAP_PROBES and self.encodes < _MOST_PROBES:
            size = math.log(len(self.encode(math.exp(at), full_chroma=full_chroma, cheap=True)))
            points.append((at, size))
            if len(points) > 1:
                (x0, y0), (x1, y1) = sorted(sorted(points, key=lambda point: abs(point[1] - goal))[:2])
                if x1 - x0 > _CLOSE:
                    slope = min(-0.2, (y1 - y0) / (x1 - x0))
            following = _clamp(at + (goal + _CHEAP_EXCESS - size) / slope)
            if abs(following - at) < _CLOSE:
                return following, slope
            at = following
        return at, slope

    def _refine(self, max_bytes: int, goal: float, at: float, slope: float, *, full_chroma: bool) -> Encoded:
        """Close in on the goal from both sides by progressive encodes."""
        above: tuple[float, float] | None = None
        below: tuple[float, float] | None = None
        best: Encoded | None = None
        smallest, stride = 0, 1.0
        while self.encodes < MAX_ENCODES:
            data = self.encode(math.exp(at), full_chroma=full_chroma)
            size = math.log(len(data))
            smallest = min(smallest or len(data), len(data))
            if len(data) <= max_bytes:
                if best is None or len(data) > len(best.data):
                    best = Encoded(data, math.exp(at), self.encodes)
                below = (at, size) if below is None or at < below[0] else below
                if len(data) >= _FILL * max_bytes or at <= math.log(NEAR_LOSSLESS):
                    break
            else:
                above = (at, size) if above is None or at > above[0] else above
                if at >= math.log(COARSEST):
                    break
            following = _between(above, below, goal) if above and below else _clamp(at + stride * (goal - size) / slope)
            # Still over the cap: the steps grow, so that one of the last encodes is sure to be under it.
            stride *= 1.6
            if abs(following - at) < 1e-4:  # noqa: PLR2004  the same table again
                break
            at = following
        if best is None:
            raise TooLargeError(smallest)
        return Encoded(best.data, best.scale, self.encodes)


def _table(scale: float, phase: float) -> list[int]:
    """The table at a scale. Each entry rounds at a point of its own, or the size would jump as many step together."""
    golden = 0.6180339887
    spread = (0.5 + _ROUNDING_SPREAD * ((index * golden + phase) % 1 - 0.5) for index in range(64))
    return [min(255, max(1, int(entry * scale + at))) for entry, at in zip(_MIX, spread, strict=True)]


def _between(above: tuple[float, float], below: tuple[float, float], goal: float) -> float:
    """Interpolate between a scale that is too large and one that fits, kept off both ends."""
    share = (above[1] - goal) / max(above[1] - below[1], 1e-9)
    return above[0] + min(max(share, 0.08), 0.92) * (below[0] - above[0])


def _clamp(at: float) -> float:
    return min(max(at, math.log(NEAR_LOSSLESS)), math.log(COARSEST))


def _scale_of_quality(quality: int) -> float:
    """Pillow's quality as a scale of the standard tables (libjpeg's `jpeg_quality_scaling`)."""
    return (50 / quality) if quality < 50 else (2 - quality / 50)  # noqa: PLR2004  libjpeg's own knee


@contextlib.contextmanager
def _room_for(image: Image.Image) -> Iterator[None]:
    """Give Pillow's encoder a buffer for a whole noisy file; it else fails with "broken data stream"."""
    before = ImageFile.MAXBLOCK
    ImageFile.MAXBLOCK = max(before, 4 * image.width * image.height + 65_536)
    try:
        yield
    finally:
        ImageFile.MAXBLOCK = before


# Ancillary, private, safe to copy; see PNG 1.2, 3.3.
PAD_CHUNK = b"rqPd"
_CHUNK_OVERHEAD = 12
_PALETTES = (256, 128, 64, 32, 16, 8)


def fit_png(image: Image.Image, *, max_bytes: int | None, min_bytes: int = 0, dpi: int | None) -> Encoded:
    """Encode an RGB, gray or bilevel picture into a PNG of `min_bytes` to `max_bytes`.

    `scale` of the answer is 0 for a lossless file, else 256 over the number of colours.

    Raises:
        TooLargeError: nothing fits under the cap.
    """
    data = _encode(image, dpi)
    encodes, scale = 1, 0.0
    smallest = len(data)
    if max_bytes is not None and len(data) > max_bytes and image.mode != "1":
        for colours in _PALETTES:
            data = _encode(image.quantize(colours, Image.Quantize.FASTOCTREE), dpi)
            encodes, scale, smallest = encodes + 1, 256 / colours, min(smallest, len(data))
            if len(data) <= max_bytes:
                break
    if max_bytes is not None and len(data) > max_bytes:
        raise TooLargeError(smallest)
    padded = pad_png(data, min_bytes)
    return Encoded(padded, scale, encodes, len(padded) - len(data))


def pad_png(data: bytes, min_bytes: int) -> bytes:
    """Grow a PNG to at least `min_bytes` by one private chunk before IEND."""
    missing = min_bytes - len(data)
    if missing <= 0:
        return data
    payload = b" " * max(0, missing - _CHUNK_OVERHEAD)
    checksum = zlib.crc32(PAD_CHUNK + payload).to_bytes(4, "big")
    chunk = len(payload).to_bytes(4, "big") + PAD_CHUNK + payload + checksum
    end = len(data) - _CHUNK_OVERHEAD
    return data[:end] + chunk + data[end:]


def _encode(image: Image.Image, dpi: int | None) -> bytes:
    import_module("PIL.PngImagePlugin")  # else Pillow loads every format that it knows
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, icc_profile=None, **({"dpi": (dpi, dpi)} if dpi else {}))
    return out.getvalue()
