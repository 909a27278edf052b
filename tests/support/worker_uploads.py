"""Small uploads, made by code."""

import io
import random

from PIL import Image, ImageDraw, ImageFont

from tests.support.worker_run import Done, Job

TEXT = ("GOVERNMENT OF NOWHERE", "IDENTITY CARD", "Name ASHA SPECIMEN", "Number 0000 1111 2222")


def encoded(image: Image.Image, format_name: str = "JPEG", **options: object) -> bytes:
    """A picture's file."""
    out = io.BytesIO()
    image.save(out, format_name, **options)
    return out.getvalue()


def portrait() -> bytes:
    """The astronaut that scikit-image carries, 900 x 1200 px, with a camera's EXIF."""
    from skimage.data import astronaut  # noqa: PLC0415  slow to import, and only photo tests need it

    exif = Image.Exif()
    exif[0x010F] = "Maker"
    pixels = astronaut()
    picture = Image.fromarray(pixels).crop((60, 0, 444, 512)).resize((900, 1200), Image.Resampling.BICUBIC)
    return encoded(picture, quality=92, exif=exif)


def card() -> bytes:
    """Four lines of text on a card, 1000 x 640 px."""
    picture = Image.new("RGB", (1000, 640), (244, 241, 232))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((20, 20, 979, 619), outline=(40, 60, 90), width=4)
    for number, line in enumerate(TEXT):
        draw.text((70, 80 + number * 120), line, fill=(20, 20, 30), font=ImageFont.load_default(56))
    return encoded(picture, quality=92)


def noise(side_px: int) -> bytes:
    """A square that nothing compresses."""
    pixels = random.Random(7).randbytes(side_px * side_px)  # noqa: S311  a fixed seed is the point
    return encoded(Image.frombytes("L", (side_px, side_px), pixels), quality=95)


def blank(side_px: int = 64) -> bytes:
    """A square of one gray, for jobs that end before anybody looks."""
    return encoded(Image.new("RGB", (side_px, side_px), (128, 128, 128)))


def two_kilobytes_of_noise(job: Job) -> Done:
    """Run a job that cannot fit: noise in two kilobytes."""
    job.rules |= {"target_width": 600, "target_height": 600, "max_kb": 2, "ocr": "off"}
    job.upload(noise(600))
    return job.run()
