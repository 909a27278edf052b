"""Uploads for the tests of decoding and judging: pictures as the bytes of a file."""

import datetime as dt
import io
import struct
from functools import cache
from typing import Any

import img2pdf
import numpy as np
from PIL import Image
from skimage import data as skimage_data

from rythmiq.contracts.payload import Payload
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.decode.picture import Pages, Picture, open_pages
from rythmiq_worker.job import Context, Decoded

MAX_PIXELS = 80_000_000
SRGB_PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
DISPLAY_P3_PRIMARIES = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _astronaut() -> Any:
    return skimage_data.astronaut()


@cache
def portrait(width_px: int = 512, height_px: int = 512) -> Image.Image:
    """A clean portrait; do not change it."""
    return Image.fromarray(_astronaut()).resize((width_px, height_px), Image.Resampling.LANCZOS)


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    """EXIF with an orientation, a maker and a position, as a phone writes it."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010F] = "Phone"
    tags.get_ifd(0x8825)[1] = "N"
    return tags


def as_pdf(*images: bytes) -> bytes:
    """A PDF with one image a page, as img2pdf embeds it."""
    document: bytes = img2pdf.convert(list(images), engine=img2pdf.Engine.internal)
    return document


def pages_of(data: bytes, *, max_pixels: int = MAX_PIXELS, max_pages: int = 10, first_only: bool = False) -> Pages:
    """Open an upload with the usual limits."""
    return open_pages(data, max_pixels=max_pixels, max_pages=max_pages, first_only=first_only)


def page_of(data: bytes) -> Picture:
    """The only page of an upload that warns of nothing."""
    opened = pages_of(data)
    assert opened.warnings == ()
    (page,) = opened.pages
    return page


def decoded(*images: Image.Image) -> Decoded:
    """What DECODE makes of these pictures."""
    return Decoded(tuple(map(Picture.from_image, images)), images[0])


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures of one size, in levels."""
    assert one.size == other.size
    return float(np.abs(np.asarray(one, dtype=np.int16) - np.asarray(other, dtype=np.int16)).mean())


def matrix_profile(
    primaries: tuple[tuple[float, float, float], ...], *, gamma: float | None = None, table: bool = False
) -> bytes:
    """An ICC v4 display profile of three primaries (D50) and sRGB's curve, as parameters, a table, or a plain gamma."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: tuple[float, float, float]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    if gamma is not None:
        curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    elif table:
        levels = [x / 1023 for x in range(1024)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels]
        curve = b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *(round(y * 65535) for y in linear))
    else:
        curve = b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + b"".join(map(fixed, SRGB_CURVE))
    text = "test".encode("utf-16-be")
    words = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
    tags = {b"desc": words, b"cprt": words, b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    tags |= {name: xyz(values) for name, values in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    directory, body, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + b"\0" * (-len(content) % 4)
        directory += struct.pack(">4sII", name, offset + len(body), len(content))
        body += padded
    header = bytearray(128)
    header[8:12], header[12:24], header[36:40] = b"\x04\x30\0\0", b"mntrRGB XYZ ", b"acsp"
    header[68:80] = struct.pack(">3i", 63190, 65536, 54061)
    header[0:4] = struct.pack(">I", 128 + len(directory) + len(body))
    return bytes(header) + directory + body


def context(
    *,
    rotate: int = 0,
    crop: dict[str, float] | None = None,
    options: dict[str, Any] | None = None,
    max_pixels: int = MAX_PIXELS,
    **rules: Any,
) -> Context:
    """A job for one slot with these rules."""
    job, user = "3f2b8a52-6d1c-4c3e-9b57-1f0a6e2d4c11", "9a1d2c3b-4e5f-4a6b-8c7d-0e1f2a3b4c5d"
    payload = Payload.model_validate(
        {
            "job_id": job,
            "user_id": user,
            "portal_schema": {"id": "test", "name": "Test", "version": "1", "schema_definition": rules},
            "input": {"raw_path": f"raw/{user}/{job}/20260101T000000Z_photo.jpg.enc"},
            "storage": {"bucket": "bucket", "region": "region", "endpoint": "http://127.0.0.1:1"},
            "options": {"rotate": rotate, "crop": crop, **(options or {})},
        }
    )
    settings = WorkerSettings.from_environ(
        {
            "SPACES_ENDPOINT": "http://127.0.0.1:1",
            "SPACES_REGION": "region",
            "SPACES_BUCKET": "bucket",
            "SPACES_KEY": "k",
            "SPACES_SECRET": "s",
            "MAX_PIXELS": str(max_pixels),
        }
    )
    return Context(payload, settings, dispatched_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
