"""Pages that are found, cut out, made flat, and warned of. ENHANCE runs as in a job; its operations say what it did."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.job import Decoded
from rythmiq_worker.pages.find import find_page
from rythmiq_worker.pages.shape import find_shape
from rythmiq_worker.stages.enhance import enhance
from tests.bench.real_pictures import RealPicture
from tests.support.uploads import context

Row = dict[str, object]
FLAT_IOU = 0.9
BENT_IOU = 0.8
WRONG_IOU = 0.8
_RASTER = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """What ENHANCE did with one picture.

    Attributes:
        label: what people saw.
        by: whom its operation `page` names.
        outline: N x 2, shares: what was kept of the picture; of a bent page, the hull of its grid.
        warned: whether PAGE_NOT_FOUND was said.
        find_cpu_s: CPU of finding the page.
        unwarp_cpu_s: CPU of what comes then at a glance: proof of a bend, the network, and its check.
    """

    label: Any
    by: str
    outline: NDArray[np.float64]
    warned: bool
    find_cpu_s: float
    unwarp_cpu_s: float

    @property
    def cut(self) -> bool:
        """Whether anything of the picture was cut off."""
        return self.by != "whole"

    @property
    def iou(self) -> float | None:
        """Intersection over union with the labelled page, or with the better one of two that are right."""
        quads = [quad for quad in (self.label.get("quad"), self.label.get("quad_alt")) if quad]
        return max((_overlap(self.outline, np.array(quad, np.float64)) for quad in quads), default=None)


def look(picture: RealPicture) -> Seen:
    """Run ENHANCE on one picture."""
    page = Picture.from_image(picture.image())
    ctx = context(kind="document", enhance="auto", color="rgb")
    made = enhance(Decoded((page,), page.thumbnail()), "document", ctx)
    facts = next(operation.parameters for operation in made.operations if operation.op == "page")
    thumbnail = page.thumbnail()
    began_s = time.process_time()
    find_page(thumbnail)
    found_s = time.process_time()
    shape = find_shape(thumbnail)
    find_cpu_s = found_s - began_s
    unwarp_cpu_s = time.process_time() - found_s - find_cpu_s
    outline = shape.corners if shape.grid is None or shape.sheet is not None else shape.grid.outline
    warned = any(warning.code is WarningCode.PAGE_NOT_FOUND for warning in ctx.warnings)
    return Seen(picture.label, str(facts["by"]), outline, warned, find_cpu_s, unwarp_cpu_s)


def rows(pictures: Sequence[RealPicture]) -> list[Row]:
    """Measure them."""
    seen = [look(picture) for picture in pictures]
    due = [one for one in seen if one.label["expect"] == "page_found"]
    none = [one for one in seen if one.label["expect"] == "no_page"]
    flat = [one for one in due if one.label["shape"] == "flat"]
    bent = [one for one in due if one.label["shape"] != "flat"]
    wrong = [one for one in due if one.cut and (one.iou or 0) < WRONG_IOU] + [one for one in none if one.cut]
    silent = [one for one in due if not one.cut and not one.warned]
    told = [one for one in none if one.warned]
    unwarped = [one.unwarp_cpu_s for one in seen if one.by == "unwarp"]
    return [
        _count(f"flat pages with edges, found at IoU >= {FLAT_IOU}", _found(flat, FLAT_IOU), len(flat), 7 / 8),
        _count(f"bent pages, found at IoU >= {BENT_IOU}", _found(bent, BENT_IOU), len(bent), 6 / 8),
        _most(
            f"wrong cuts: IoU < {WRONG_IOU}, or any on a picture without a page", len(wrong), len(due) + len(none), 0
        ),
        _most("desks left in the file without PAGE_NOT_FOUND", len(silent), len(due), 0),
        _most("PAGE_NOT_FOUND on pictures without a page", len(told), len(none), 1),
        _most("CPU of finding a page, middle, s", _middle([one.find_cpu_s for one in seen]), len(seen), None),
        _most("CPU of unwarping at a glance once found, middle, s", _middle(unwarped), len(unwarped), 0.6),
    ]


def _found(pages: Sequence[Seen], least: float) -> int:
    return sum(page.cut and (page.iou or 0) >= least for page in pages)


def _middle(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else 0.0


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    masks = []
    for outline in (one, other):
        mask = np.zeros((_RASTER, _RASTER), np.uint8)
        cv2.fillPoly(mask, [np.round(outline * _RASTER).astype(np.int32)], 1)
        masks.append(mask > 0)
    return float((masks[0] & masks[1]).sum()) / max(1.0, float((masks[0] | masks[1]).sum()))


def _count(what: str, found: int, of: int, least_share: float) -> Row:
    least = int(np.floor(least_share * of + 1e-9))
    return {
        "what": what,
        "measured": found,
        "bar": f">= {least}",
        "unit": None,
        "holds": found >= least,
        "note": f"of {of}",
    }


def _most(what: str, measured: float, of: int, most: float | None) -> Row:
    bar, holds = (None, None) if most is None else (f"<= {most}", measured <= most)
    return {"what": what, "measured": round(measured, 3), "bar": bar, "unit": None, "holds": holds, "note": f"of {of}"}
