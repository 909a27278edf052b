"""The page and the worker judge a file alike, in every slot of the rule book, wherever the page judges at all."""

import datetime as dt
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from rythmiq.portals import all_portals, list_portals
from rythmiq_worker.conform.clauses import clauses_for
from rythmiq_worker.conform.measure import measure
from rythmiq_worker.conform.sight import Sight
from tests.support.node import node

SCRIPT = Path(__file__).with_name("judge.mjs")
HARD = {"format", "bytes", "pixels", "aspect", "dpi", "colour", "metadata", "compression_ratio", "filename"}

pytestmark = pytest.mark.node


def _picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    state = np.random.default_rng(size[0])
    coarse = Image.fromarray(state.integers(60, 220, (9, 7, 3), dtype=np.uint8)).convert(mode)
    return coarse.resize(size, Image.Resampling.BICUBIC)


def _bytes(image: Image.Image, format_name: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, format_name, **options)
    return data.getvalue()


def _files() -> Iterator[tuple[str, bytes]]:
    """What people have: of each kind, size and flaw."""
    for width, height in (
        (413, 531),
        (200, 230),
        (140, 60),
        (240, 240),
        (800, 400),
        (350, 350),
        (1200, 1600),
        (630, 810),
    ):
        for dpi in (None, 200, 300):
            options: dict[str, object] = {} if dpi is None else {"dpi": (dpi, dpi)}
            yield f"{width}-{height}-{dpi}.jpg", _bytes(_picture((width, height)), "JPEG", quality=92, **options)
    portrait = _picture((413, 531))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8825] = {1: "N", 2: (26.0, 12.0, 0.0)}
    plain = _bytes(portrait, "JPEG", quality=95, dpi=(300, 300))
    yield "turned.jpg", _bytes(portrait, "JPEG", quality=95, dpi=(300, 300), exif=exif)
    yield (
        "profile.jpg",
        _bytes(portrait, "JPEG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
    )
    yield "comment.jpg", _bytes(portrait, "JPEG", comment=b"made by hand", dpi=(300, 300))
    yield "progressive.jpg", _bytes(portrait, "JPEG", progressive=True, dpi=(300, 300))
    yield "gray.jpg", _bytes(_picture((413, 531), "L"), "JPEG", dpi=(300, 300))
    yield "cmyk.jpg", _bytes(portrait.convert("CMYK"), "JPEG", dpi=(300, 300))
    yield "behind.jpg", plain + b"appended"
    yield "cut.jpg", plain[: len(plain) // 2]
    yield "cut.png", _bytes(portrait, "PNG")[:-20]
    yield "colour.png", _bytes(portrait, "PNG", dpi=(300, 300))
    yield "gray.png", _bytes(_picture((140, 60), "L"), "PNG")
    yield "a.webp", _bytes(portrait, "WEBP")
    yield "a.gif", _bytes(portrait, "GIF")
    yield "a.bmp", _bytes(portrait, "BMP")
    yield "a.tif", _bytes(portrait, "TIFF")
    yield "certificate.pdf", _bytes(_picture((1200, 1600)), "PDF", resolution=150)
    yield "text.jpg", b"this is no picture"
    yield "name with spaces.jpg", plain
    yield "photo.jpg", plain
    for target in (
        10 * 1024,
        20_000,
        20_480,
        50_000,
        200_000,
        204_799,
        204_800,
    ):  # right at the limits of both readings
        yield f"padded-{target}.jpg", _padded(_bytes(_picture((413, 531)), "JPEG", quality=20, dpi=(300, 300)), target)


def _padded(jpeg: bytes, target: int) -> bytes:
    """The same picture in exactly so many bytes, by comments before it; as it is where it is larger."""
    while (missing := target - len(jpeg)) >= 4:
        length = min(missing, 65_000)
        if 0 < missing - length < 4:
            length -= 4
        jpeg = jpeg[:2] + b"\xff\xfe" + (length - 2).to_bytes(2, "big") + bytes(length - 4) + jpeg[2:]
    return jpeg


def test_page_and_worker_agree(tmp_path: Path) -> None:
    """On every hard clause that both judge; the page may leave one open, and never says more than the worker knows."""
    files = dict(_files())
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    rules = {(portal.portal, slot.slot): slot for portal in all_portals() for slot in portal.slots}
    shown = {
        (portal["portal"], slot["slot"]): slot
        for portal in list_portals(dt.date(2026, 11, 29))["portals"]
        for slot in portal["slots"]
    }
    asked = [(key, name) for key in rules for name in files]
    orders = [{"file": str(tmp_path / name), "slot": shown[key], "name": name} for key, name in asked]
    done = subprocess.run(
        [node(), SCRIPT], input=json.dumps(orders), capture_output=True, text=True, check=True, timeout=120
    )
    facts = {name: measure(content) for name, content in files.items()}
    differences = []
    for (key, name), of_page in zip(asked, json.loads(done.stdout), strict=True):
        slot = rules[key]
        kind = slot.kind if slot.kind != "auto" else "document"
        of_worker = clauses_for(slot, facts[name], Sight(kind), filename=name, ours=False)
        for clause in of_worker:
            said = of_page.get(clause.clause, "not_checked")
            if clause.clause in HARD and said not in {"not_checked", clause.verdict}:
                differences.append((*key, name, clause.clause, said, clause.verdict, clause.measured))
    assert len(asked) > 4_000
    assert differences == []


def test_the_page_leaves_little_open(tmp_path: Path) -> None:
    """Of a plain JPEG it judges every hard clause that the worker judges."""
    (tmp_path / "a.jpg").write_bytes(_bytes(_picture((413, 531)), "JPEG", dpi=(300, 300)))
    portals = list_portals(dt.date(2026, 11, 29))["portals"]
    slots = [slot for portal in portals for slot in portal["slots"]]
    orders = [{"file": str(tmp_path / "a.jpg"), "slot": slot, "name": "a.jpg"} for slot in slots]
    done = subprocess.run(
        [node(), SCRIPT], input=json.dumps(orders), capture_output=True, text=True, check=True, timeout=60
    )
    for slot, judged in zip(slots, json.loads(done.stdout), strict=True):
        open_ = {clause for clause in HARD if judged.get(clause) == "not_checked"}
        assert open_ <= ({"colour"} if slot["color"] == "bw" else set()), slot["slot"]
