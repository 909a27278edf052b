"""A real portrait as a 12 MP phone photo: NASA's public-domain picture of Eileen Collins, from scikit-image."""

import importlib.util
import io
import struct
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFilter

PHONE_SIZE_PX = (3000, 4000)
_EXIF_ORIENTATION, _EXIF_MAKE, _EXIF_GPS = 0x0112, 0x010F, 0x8825


@lru_cache(maxsize=1)
def astronaut() -> Image.Image:
    """The portrait, 512 x 512 px, RGB. scikit-image's code is not imported."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("scikit-image is not installed; it carries the portrait")
    with Image.open(Path(spec.submodule_search_locations[0]) / "data" / "astronaut.png") as image:
        return Image.fromarray(np.asarray(image.convert("RGB")))


@lru_cache(maxsize=1)
def crisp() -> Image.Image:
    """The portrait sharpened as phones do it, so that enlarging it leaves edges of a camera's width."""
    return astronaut().filter(ImageFilter.UnsharpMask(radius=1, percent=80, threshold=1))


def phone_photo(size_px: tuple[int, int] = PHONE_SIZE_PX, *, seed: int = 1, noise: float = 3.0) -> Image.Image:
    """The portrait at phone size: enlarged, framed upright, with a sensor's noise.

    Args:
        size_px: width and height; the picture is covered and cut, not stretched.
        seed: of the noise.
        noise: standard deviation in gray levels.

    Returns:
        RGB.
    """
    base = crisp()
    width, height = size_px
    scale = max(width / base.width, height / base.height)
    box_width, box_height = width / scale, height / scale
    left = min(max(0.0, 222 - box_width / 2), base.width - box_width)
    image = base.resize(size_px, Image.Resampling.LANCZOS, box=(left, 0, left + box_width, box_height))
    return with_noise(image, noise, seed)


def with_noise(image: Image.Image, sigma: float, seed: int) -> Image.Image:
    """Add a sensor's noise: Gaussian, equal in all channels and a little coloured."""
    pixels = np.array(image, dtype=np.int16)
    state = np.random.default_rng(seed)
    tile = state.normal(0, sigma, (512, 512, 3)) + state.normal(0, sigma / 2, (512, 512, 1))
    rows, columns = -(-pixels.shape[0] // 512), -(-pixels.shape[1] // 512)
    grain = np.tile(np.round(tile).astype(np.int16), (rows, columns, 1))[: pixels.shape[0], : pixels.shape[1]]
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def as_phone_jpeg(image: Image.Image, *, quality: int = 92, orientation: int = 1) -> bytes:
    """Save as a phone does: EXIF with maker, orientation and a place, an sRGB profile, no density.

    Args:
        image: upright, RGB.
        quality: of the JPEG.
        orientation: EXIF's 1..8; the stored pixels are turned so that a reader who obeys it sees `image`.
    """
    stored = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    turn = stored[orientation]
    exif = Image.Exif()
    exif[_EXIF_MAKE] = "Specimen Phone"
    exif[_EXIF_ORIENTATION] = orientation
    exif.get_ifd(_EXIF_GPS).update({1: "N", 2: (28.0, 36.0, 50.0), 3: "E", 4: (77.0, 12.0, 32.0)})
    out = io.BytesIO()
    (image if turn is None else image.transpose(turn)).save(
        out, "JPEG", quality=quality, exif=exif, icc_profile=srgb_profile()
    )
    return out.getvalue()


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """The ICC profile of sRGB that Pillow makes, without the time at which it was made."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    return bytes(profile)
