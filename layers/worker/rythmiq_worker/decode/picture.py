"""One upright picture that is cheap to hold and decodes on demand, and how an upload is opened as one.

A JPEG decodes at 1/1, 1/2, 1/4 or 1/8 straight from its coefficients, which is what keeps a photo job small: nobody
holds its full size. At most one decoded picture is kept of an upload: a small one of a JPEG, the last page of others.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from PIL import Image

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import JobError
from rythmiq_worker.decode import UPRIGHT, Turn, decoder_door, undecodable

PREVIEW_SIDE_PX: Final = 480
_QUALITY: Final = 80


def small(image: Image.Image, side_px: int = PREVIEW_SIDE_PX) -> Image.Image:
    """A copy, gray or RGB, with a long side of at most `side_px`; what has less is not enlarged."""
    plain = image.convert("L") if image.mode in {"1", "L"} else image if image.mode == "RGB" else image.convert("RGB")
    shrink = max(plain.size) / side_px
    if shrink <= 1:
        return plain.copy()
    size = (max(1, round(plain.width / shrink)), max(1, round(plain.height / shrink)))
    return plain.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)


def small_jpeg(image: Image.Image, side_px: int = PREVIEW_SIDE_PX) -> bytes:
    """A JPEG with a long side of at most `side_px`; what has less is not enlarged."""
    out = io.BytesIO()
    small(image, side_px).save(out, "JPEG", quality=_QUALITY, subsampling="4:2:0")
    return out.getvalue()


# What quality, faces and the check that a file decodes share; see `Picture.thumbnail`.
THUMBNAIL_PX: Final = 1000
# A JPEG's decode costs nearly the same at any scale: one that will be wanted larger is decoded so at once.
_FINER_PX: Final = 1500
_KEPT_PIXELS: Final = 4_000_000
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"miaf"})
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_PDF_HEADER_WITHIN_BYTES: Final = 1024


class Source(Protocol):
    """Where the pixels of one page come from; sizes are as stored, before any turn."""

    @property
    def source_format(self) -> str:
        """Return the format's name: "JPEG", "PNG", "HEIF", "PDF"..."""

    @property
    def width_px(self) -> int:
        """Return the stored width."""

    @property
    def height_px(self) -> int:
        """Return the stored height."""

    @property
    def turn(self) -> Turn:
        """Return how to bring the stored pixels upright."""

    @property
    def scalable(self) -> bool:
        """Return whether decoding again, smaller, is cheap; else the full size is kept."""

    def scale_for(self, min_width_px: int, min_height_px: int) -> int:
        """Return the largest divisor of the size at which both sides are at least as asked."""

    def decode(self, scale: int) -> Image.Image:
        """Decode as stored, at 1/scale, to sRGB."""

    def patch(self, side_px: int) -> Image.Image | None:
        """Return about side x side native pixels as stored, gray, or None when only the whole picture decodes."""

    def lossless(self) -> bytes | None:
        """Return the original scan without metadata, if that alone is an sRGB JPEG."""


@dataclass(frozen=True, slots=True)
class _Computed:
    """Pixels that are computed when they are asked for."""

    compute: Callable[[], Image.Image]
    width_px: int
    height_px: int
    source_format: str
    turn: Turn = UPRIGHT
    scalable: bool = False

    def scale_for(self, min_width_px: int, min_height_px: int) -> int:  # noqa: ARG002  the port's shape
        return 1

    def decode(self, scale: int) -> Image.Image:  # noqa: ARG002  the port's shape
        return self.compute()

    def patch(self, side_px: int) -> None:
        pass

    def lossless(self) -> bytes | None:
        return None


@dataclass(slots=True)
class _ImageCache:
    """Holds one decoded picture of an upload; the next one replaces it."""

    key: "tuple[Picture, int] | None" = None
    image: Image.Image | None = None

    def find(self, picture: "Picture", scale: int) -> Image.Image | None:
        held = self.key is not None and self.key[0] is picture and self.key[1] == scale
        return self.image if held else None

    def clear(self) -> None:
        self.key, self.image = None, None

    def put(self, picture: "Picture", scale: int, image: Image.Image) -> None:
        self.key, self.image = (picture, scale), image


class Picture:
    """One upright page. Do not draw on the images it gives: they may be kept and given again.

    Attributes:
        width_px: upright, full size.
        height_px: upright, full size.
        source_format: what the upload was: "JPEG", "PNG", "HEIF", "PDF"...
    """

    __slots__ = ("_cache", "_finely", "_source", "_thumbnail", "_turn", "height_px", "source_format", "width_px")

    def __init__(
        self, source: Source, *, turn: Turn | None = None, cache: _ImageCache | None = None, finely: bool = False
    ) -> None:
        self._source = source
        self._finely = finely
        self._turn = source.turn if turn is None else turn
        self._cache = cache or _ImageCache()
        self._thumbnail: Image.Image | None = None  # only where it is not what the decoder gives
        sides = (source.width_px, source.height_px)
        self.width_px, self.height_px = sides[::-1] if self._turn.swaps_sides else sides
        self.source_format = source.source_format

    @classmethod
    def from_image(cls, image: Image.Image, source_format: str = "RASTER") -> Self:
        """Wrap a computed picture: RGB, sRGB, upright."""
        return cls(_Computed(lambda: image, image.width, image.height, source_format))

    def derived(self, compute: Callable[[Image.Image], Image.Image], width_px: int, height_px: int) -> "Picture":
        """Make a picture that is computed from this one at full size, whenever it is asked for and not at hand.

        So a document of many large pages is never there twice, nor all at once.

        Args:
            compute: RGB of this picture's size to RGB of the size that follows.
            width_px: of the result.
            height_px: of the result.
        """
        made = _Computed(lambda: compute(self.image()), width_px, height_px, self.source_format)
        return Picture(made, cache=self._cache)

    def image(self, min_width_px: int | None = None, min_height_px: int | None = None) -> Image.Image:
        """Decode to RGB, sRGB, upright.

        Args:
            min_width_px: the width that is enough; with either minimum a JPEG is decoded at 1/2, 1/4 or 1/8 when that
                leaves both sides at least as large as asked. Without: full size.
            min_height_px: the height that is enough.

        Raises:
            JobError: DECODE_FAILED.
        """
        minima = (min_width_px or 1, min_height_px or 1)
        if min_width_px is None and min_height_px is None:
            scale = 1
        else:
            scale = self._source.scale_for(*(minima[::-1] if self._turn.swaps_sides else minima))
        kept = self._cache.find(self, scale)
        if kept is not None:
            return kept
        self._cache.clear()  # before decoding, so that there are never two
        # What we compute may fail by our own fault, which is no DECODE_FAILED.
        with nullcontext() if isinstance(self._source, _Computed) else decoder_door():
            image = self._turn.apply(self._source.decode(scale))
        if not self._source.scalable or image.width * image.height <= _KEPT_PIXELS:
            self._cache.put(self, scale, image)
        return image

    def thumbnail(self) -> Image.Image:
        """Decode as small as judging needs: a long side from THUMBNAIL_PX to twice that, where the picture has it.

        QUALITY, the search for faces and the check that a file decodes share this one decode.

        Raises:
            JobError: DECODE_FAILED.
        """
        if self._thumbnail is not None:
            return self._thumbnail
        long_side_px = max(self.width_px, self.height_px)
        enough = self._sides(THUMBNAIL_PX / long_side_px)
        finer = self._sides(_FINER_PX / long_side_px)
        if self._finely and self._decoded_pixels(*finer) <= _KEPT_PIXELS:
            enough = finer
        image = self.image(*enough)
        further = max(image.size) // THUMBNAIL_PX
        if further > 1:
            image = self._thumbnail = image.reduce(further)
        return image

    def _sides(self, factor: float) -> tuple[int, int]:
        """Width and height, of at least a pixel, of a picture that is not enlarged."""
        factor = min(1.0, factor)
        return max(1, int(self.width_px * factor)), max(1, int(self.height_px * factor))

    def _decoded_pixels(self, min_width_px: int, min_height_px: int) -> int:
        """How many pixels a decode for these minima gives."""
        minima = (min_width_px, min_height_px)
        scale = self._source.scale_for(*(minima[::-1] if self._turn.swaps_sides else minima))
        return self.width_px * self.height_px // scale**2

    def native_patch(self, side_px: int = 1024) -> Image.Image:
        """Decode about side x side pixels as the upload coded them, gray; which part is the decoder's choice.

        Raises:
            JobError: DECODE_FAILED.
        """
        with decoder_door():
            patch = self._source.patch(side_px)
        if patch is not None:
            return patch
        whole = self.image()
        left, top = max(0, (whole.width - side_px) // 2), max(0, (whole.height - side_px) // 2)
        return whole.crop((left, top, min(whole.width, left + side_px), min(whole.height, top + side_px))).convert("L")

    def turned(self, degrees_clockwise: int) -> "Picture":
        """Turn by a multiple of 90 degrees; nothing is decoded."""
        if degrees_clockwise % 360 == 0:
            return self
        return Picture(
            self._source, turn=self._turn.then_clockwise(degrees_clockwise), cache=self._cache, finely=self._finely
        )

    def lossless_jpeg(self) -> bytes | None:
        """Return the original JPEG scan without APPn and COM segments, if nothing else is to be done to it.

        None unless the upload was an upright sRGB JPEG of 8 bits, gray or RGB.
        """
        return self._source.lossless() if self._turn.identity else None

    def release(self) -> None:
        """Forget decoded pixels that can be decoded again."""
        self._cache.clear()


@dataclass(frozen=True, slots=True)
class Pages:
    """An upload as upright pictures, in order."""

    pages: tuple[Picture, ...]
    warnings: tuple[WarningCode, ...]
    source_format: str


@dataclass(slots=True)
class _Opened:
    """What a file holds, and what its owner should know of it."""

    sources: list[Source] = field(default_factory=list)
    warnings: list[WarningCode] = field(default_factory=list)


def sniff(data: bytes) -> str | None:
    """Name the format by its content; None when it is none that we read."""
    for magic, name in (
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
        (b"II*\x00", "TIFF"),
        (b"MM\x00*", "TIFF"),
        (b"II+\x00", "TIFF"),
        (b"MM\x00+", "TIFF"),
        (b"BM", "BMP"),
    ):
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        box = data[8 : min(int.from_bytes(data[:4]), 256)]
        brands = {box[:4], *(box[at : at + 4] for at in range(8, len(box), 4))}
        return "AVIF" if brands & _AVIF_BRANDS else "HEIF" if brands & _HEIF_BRANDS else None
    return "PDF" if b"%PDF-" in data[:_PDF_HEADER_WITHIN_BYTES] else None


def open_pages(*uploads: bytes, max_pixels: int, max_pages: int, first_only: bool, finely: bool = False) -> Pages:
    """Read uploads into upright pages, in their order, and make sure that each decodes.

    The format is told by content, never by name; pixels are counted before anything is decoded.

    Args:
        uploads: at least one, opened; the pages of several follow each other.
        max_pixels: the most pixels a page may have.
        max_pages: how many pages are taken; more warn PAGES_DROPPED.
        first_only: take one page, for a slot that wants a picture.
        finely: decode for the thumbnail what the document of a photo is likely to need, too, which is then at hand.

    Raises:
        JobError: DECODE_FAILED, with `detail.reason`, and of several `detail.upload`, counted from 1.
    """
    found, left = _Opened(), 1 if first_only else max_pages
    for number, data in enumerate(uploads, start=1):
        if left < 1:
            found.warnings.append(WarningCode.PAGES_DROPPED)
            break
        with _named(number if len(uploads) > 1 else None):
            opened = _open(data, max_pixels, left)
        found.sources += opened.sources
        found.warnings += opened.warnings
        left -= len(opened.sources)
    cache = _ImageCache()
    pages = tuple(Picture(source, cache=cache, finely=finely) for source in found.sources)
    for page in reversed(pages):  # so that the first page is the one that stays in the cache
        page.thumbnail()
    return Pages(pages, tuple(dict.fromkeys(found.warnings)), sniff(uploads[0]) or "")


@contextmanager
def _named(number: int | None) -> Iterator[None]:
    """Name the upload that does not decode, where there are several."""
    try:
        yield
    except JobError as error:
        if number is None:
            raise
        message = f"File {number}: {error.message}"
        raise JobError(error.code, message, detail={**(error.detail or {}), "upload": number}) from None


def _open(data: bytes, max_pixels: int, max_pages: int) -> _Opened:
    if not data:
        raise undecodable("empty")
    source_format = sniff(data)
    if source_format is None:
        raise undecodable("unknown_format")
    with decoder_door():
        return _read(data, source_format, max_pixels, max_pages)


def _read(data: bytes, source_format: str, max_pixels: int, max_pages: int) -> _Opened:
    from rythmiq_worker.decode import raster as raster_in  # noqa: PLC0415  the adapters know this module's words

    opened = _Opened()
    if source_format == "PDF":
        from rythmiq_worker.decode import pdf as pdf_in  # noqa: PLC0415  only a PDF needs pypdfium2

        sources, opened.warnings = pdf_in.open_pdf(data, max_pixels=max_pixels, max_pages=max_pages)
        opened.sources.extend(sources)
    elif source_format in {"JPEG", "HEIF"}:
        reader = raster_in.open_jpeg if source_format == "JPEG" else raster_in.open_heif
        source, several = reader(data, max_pixels)
        opened.sources.append(source)
        if several:
            opened.warnings.append(WarningCode.FRAMES_DROPPED)
    else:
        pillow_sources, opened.warnings = raster_in.open_pillow(
            data, source_format, max_pixels=max_pixels, max_pages=max_pages
        )
        opened.sources.extend(pillow_sources)
    return opened
