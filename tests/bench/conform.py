"""The conform engine: picture quality at equal bytes, how full the budget is, and CPU against the plain way.

Reference for SSIM: the picture decoded in full and resized with LANCZOS. Rival: the best of Pillow's integer qualities
1..100, 4:2:0, progressive and optimised, that fits the same bytes, encoded from that reference itself.
"""

import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity

from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform import Labels, conform
from rythmiq_worker.conform.person import portrait_of
from rythmiq_worker.decode.picture import Picture, open_pages
from rythmiq_worker.people.portrait import Wish
from tests.bench.measuring import least_cpu_s
from tests.data.own_files import own_pages, own_portraits
from tests.data.pages import page_photos
from tests.data.portraits import portraits
from tests.samples.portrait import as_phone_jpeg, phone_photo

MAX_PIXELS = 80_000_000
LABELS = Labels("bench", "photo", "1", "11111111-1111-4111-8111-111111111111", "photo.jpg")
PORTRAIT_PX, PAGE_PX = (350, 450), (900, 1200)
LOOSE_PX, LOOSE_BYTES = (630, 810), 250_000
ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Versus:
    """One picture at one budget: SSIM of ours less the rival's, how much of the budget ours fills, table scale."""

    name: str
    gain: float
    fill: float
    scale: float
    encodes: int


def picture_of(data: bytes) -> Picture:
    """The first page of an upload."""
    return open_pages(data, max_pixels=MAX_PIXELS, max_pages=1, first_only=True).pages[0]


def ssim(one: Image.Image, two: Image.Image) -> float:
    """Structural similarity of two RGB pictures of one size."""
    return float(structural_similarity(np.asarray(one), np.asarray(two), channel_axis=2))


def decoded(data: bytes) -> Image.Image:
    """The pixels of a file."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def best_integer_quality(image: Image.Image, max_bytes: int) -> bytes:
    """The largest integer quality's file that fits, by bisection; quality 1 if none does."""
    low, high, best = 1, 100, b""
    while low <= high:
        quality = (low + high) // 2
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality, subsampling="4:2:0", progressive=True, optimize=True)
        if out.tell() <= max_bytes:
            best, low = out.getvalue(), quality + 1
        else:
            high = quality - 1
    return best


def reference_of(picture: Picture, size_px: tuple[int, int]) -> Image.Image:
    """The whole picture at a size, decoded in full; covered and cut, not stretched."""
    full = picture.image()
    scale = max(size_px[0] / full.width, size_px[1] / full.height)
    width, height = size_px[0] / scale, size_px[1] / scale
    left, top = (full.width - width) / 2, (full.height - height) / 2
    return full.resize(size_px, Image.Resampling.LANCZOS, box=(left, top, left + width, top + height))


def versus(name: str, data: bytes, size_px: tuple[int, int], max_bytes: int) -> Versus:
    """Hold our file, made the product's way from the upload's bytes, against the rival's."""
    picture = picture_of(data)
    reference = reference_of(picture, size_px)
    rules = SchemaDefinition.model_validate(
        {
            "kind": "photo",
            "face": "off",
            "target_width": size_px[0],
            "target_height": size_px[1],
            "max_kb": max_bytes / 1000,
        }
    )
    ours = conform([picture], rules, LABELS)
    rival = best_integer_quality(reference, max_bytes)
    gain = ssim(decoded(ours.document), reference) - ssim(decoded(rival), reference)
    return Versus(name, gain, len(ours.document) / max_bytes, ours.table_scale or 0, ours.encodes)


def _quality_rows() -> list[dict[str, object]]:
    pictures = [(f"portrait {sample.name}", sample.data, PORTRAIT_PX) for sample in own_portraits() or portraits()]
    pictures += [(f"page {sample.name}", sample.data, PAGE_PX) for sample in own_pages() or page_photos()]
    rows: list[dict[str, object]] = []
    for bits in (1, 2):
        found = [versus(name, data, size, size[0] * size[1] * bits // 8) for name, data, size in pictures]
        rows += _gain_rows(f"{bits} bit a pixel", found, mean_bar=0.002, worst_bar=-0.0005)
        rows += _fill_rows(f"{bits} bit a pixel", found)
    loose = [versus(name, data, LOOSE_PX, LOOSE_BYTES) for name, data, size in pictures if size == PORTRAIT_PX]
    rows += _gain_rows("250 KB at 630 x 810", loose, mean_bar=-0.001, worst_bar=None)
    return rows


def _gain_rows(
    where: str, found: Sequence[Versus], *, mean_bar: float, worst_bar: float | None
) -> list[dict[str, object]]:
    mean = sum(entry.gain for entry in found) / len(found)
    worst = min(found, key=lambda entry: entry.gain)
    note = f"{len(found)} pictures"
    return [
        _row(f"SSIM above the best integer quality, {where}, mean", mean, f">= {mean_bar:+}", mean >= mean_bar, note),
        _row(
            f"SSIM above the best integer quality, {where}, worst",
            worst.gain,
            None if worst_bar is None else f">= {worst_bar:+}",
            None if worst_bar is None else worst.gain >= worst_bar,
            worst.name,
        ),
    ]


def _fill_rows(where: str, found: Sequence[Versus]) -> list[dict[str, object]]:
    rows = []
    for kind, least_bar, mean_bar in (("portrait", 0.96, 0.975), ("page", 0.95, None)):
        fills = [entry.fill for entry in found if entry.scale > 0.1 and entry.name.startswith(kind)]
        if not fills:
            continue
        mean = sum(fills) / len(fills)
        note = f"{len(fills)} with a table scale above 0.1"
        rows.append(
            _row(
                f"budget filled by {kind}s, {where}, least",
                min(fills),
                f">= {least_bar}",
                min(fills) >= least_bar,
                note,
            )
        )
        bar = None if mean_bar is None else f">= {mean_bar}"
        rows.append(
            _row(
                f"budget filled by {kind}s, {where}, mean",
                mean,
                bar,
                None if bar is None else mean >= (mean_bar or 0),
                note,
            )
        )
    most = max(entry.encodes for entry in found)
    return [*rows, _row(f"encodes, {where}, most", most, "<= 8", most <= 8, None)]


def _cpu_row() -> dict[str, object]:
    """conform() from bytes to file and receipt, against decode + LANCZOS + one save."""
    data = as_phone_jpeg(phone_photo())
    rules = SchemaDefinition.model_validate(
        {"kind": "photo", "target_width": 630, "target_height": 810, "max_kb": 250, "background": "white"}
    )
    portrait = portrait_of(picture_of(data), Wish())

    def ours() -> object:
        return conform([picture_of(data)], rules, LABELS, portrait=portrait)

    def plain() -> object:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        out = io.BytesIO()
        image.resize((630, 810), Image.Resampling.LANCZOS, box=(300, 0, 3000, 3471)).save(out, "JPEG", quality=90)
        return out

    ours()
    least = least_cpu_s({"ours": ours, "plain": plain}, ROUNDS)
    ratio = least["ours"] / least["plain"]
    what = "CPU of conform(), 12 MP JPEG to 630 x 810 <= 250 KB with receipt, over plain decode + LANCZOS + save"
    note = f"{least['ours']:.3f} s over {least['plain']:.3f} s, least of {ROUNDS}"
    return _row(what, ratio, "<= 0.9", ratio <= 0.9, note)


def tonal_change(data: bytes, size_px: tuple[int, int]) -> float:
    """Mean CIEDE2000 between our file at a loose limit and the plainly resized picture."""
    picture = picture_of(data)
    rules = SchemaDefinition.model_validate(
        {"kind": "photo", "face": "off", "target_width": size_px[0], "target_height": size_px[1]}
    )
    ours = decoded(conform([picture], rules, LABELS).document)
    reference = reference_of(picture, size_px)
    return float(np.mean(deltaE_ciede2000(rgb2lab(np.asarray(ours)), rgb2lab(np.asarray(reference)))))


def _tone_row() -> dict[str, object]:
    changes = {sample.name: tonal_change(sample.data, PORTRAIT_PX) for sample in own_portraits() or portraits()}
    worst = max(changes, key=lambda name: changes[name])
    return _row(
        "mean CIEDE2000 of a portrait against a plain resize, worst picture",
        changes[worst],
        "< 1",
        changes[worst] < 1,
        worst,
    )


def _row(what: str, measured: float, bar: str | None, holds: bool | None, note: str | None) -> dict[str, object]:  # noqa: FBT001  a row's columns
    return {"what": what, "measured": round(measured, 4), "bar": bar, "unit": None, "holds": holds, "note": note}


def main() -> int:
    """Print the rows."""
    print(json.dumps([_cpu_row(), *_quality_rows(), _tone_row()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
