"""PNG to a byte budget: lossless first, then fewer colours; padding in a private chunk before the end."""

import io
import zlib

from PIL import Image

from rythmiq_worker.conform.jpeg import Encoded, TooLargeError

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
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, icc_profile=None, **({"dpi": (dpi, dpi)} if dpi else {}))
    return out.getvalue()
