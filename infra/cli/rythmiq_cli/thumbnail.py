"""A small JPEG of any upload, upright, for the "before" of a receipt's page."""

import io

from PIL import Image

from rythmiq_worker.picture import open_pages

_SIDE_PX = 480
_QUALITY = 80
_MAX_PIXELS = 80_000_000


def thumbnail(content: bytes) -> bytes:
    """Make it: long side at most 480 px, never enlarged.

    Raises:
        JobError: DECODE_FAILED.
    """
    page = open_pages(content, max_pixels=_MAX_PIXELS, max_pages=1, first_only=True).pages[0]
    small = page.glance().copy()
    small.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
