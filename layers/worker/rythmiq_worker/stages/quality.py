"""QUALITY: how good the upload is, measured on the original before anything is done to it.

One decoder-scaled decode serves every measure and the search for faces; blockiness alone needs native pixels, of which
a patch is decoded.
"""

from typing import Final

import numpy as np

from rythmiq_worker import measures
from rythmiq_worker.conform.kind import resolve_kind
from rythmiq_worker.engines.faces import Box, FaceDetector, HaarFaces
from rythmiq_worker.frame import Context, Frame
from rythmiq_worker.picture import Picture
from rythmiq_worker.scoring import judge

# Without a face the subject of a photo is taken to be its middle.
_MIDDLE: Final = 0.5
_KINDS_WITH_FACES: Final = frozenset({"photo", "auto"})


def quality(frame: Frame, ctx: Context, detector: FaceDetector | None = None) -> None:
    """Fill `frame.quality`, `frame.kind` and `frame.faces` from the first page, and warn of what is wrong with it.

    Faces are looked for on the picture as its owner wants it turned, and stand in the pixels of that.

    Raises:
        JobError: DECODE_FAILED.
    """
    rules = ctx.payload.portal_schema.schema_definition
    page = frame.pages[0]
    glance = page.glance()
    fine = measures.fine_gray(glance)
    canonical = measures.shrunk(fine, measures.CANONICAL_PX)
    rotate = ctx.payload.options.rotate or 0
    turned = page.turned(rotate)
    upright = np.ascontiguousarray(np.rot90(canonical, -(rotate // 90)))  # rot90 goes anticlockwise
    found: tuple[Box, ...] = ()
    if rules.kind in _KINDS_WITH_FACES:
        found = (detector or HaarFaces()).find(upright)
        full = turned.width_px / upright.shape[1]
        frame.faces = tuple(box.scaled(full) for box in found)
    frame.kind = resolve_kind(rules, frame.faces or (), turned.width_px, turned.height_px)
    light = measures.light(canonical)
    figures = _figures(page, fine, canonical) | {
        "mean": light.mean,
        "spread": light.deep_spread if frame.kind in {"signature", "thumb"} else light.spread,
        "histogram_spread": light.middle_spread,
        "blown": light.blown,
    }
    if frame.kind == "photo":
        figures |= _subject(upright, found[0] if found else _middle(upright))
    elif frame.kind == "document":
        figures |= {"subject_blown": measures.glare(canonical), "paper_blown": measures.paper_blown(canonical)}
    frame.quality = judge(frame.kind, figures)
    frame.warn(*frame.quality.reasons)


def _figures(page: Picture, fine: measures.Gray, canonical: measures.Gray) -> dict[str, float]:
    long_side_px = max(page.width_px, page.height_px)
    # Blocks are of native pixels, and count as they show at the size at which a picture is looked at, as noise does.
    shown = min(1.0, measures.FINE_PX / long_side_px)
    return {
        "edge_width": measures.edge_width(canonical),
        "blur_effect": measures.blur_effect(canonical),
        "noise_sigma": measures.noise_sigma(fine),
        "blockiness": shown * measures.blockiness(np.asarray(page.native_patch(), dtype=np.uint8)),
        "detail": measures.detail(canonical),
        "long_side_px": float(long_side_px),
        "laplacian_variance": measures.laplacian_variance(canonical),
    }


def _middle(upright: measures.Gray) -> Box:
    height, width = upright.shape
    margin = (1 - _MIDDLE) / 2
    return Box(margin * width, margin * height, max(1.0, _MIDDLE * width), max(1.0, _MIDDLE * height))


def _subject(upright: measures.Gray, subject: Box) -> dict[str, float]:
    """Measure the light on a face; its background may be white by the portal's own rule."""
    top, left = max(0, int(subject.y)), max(0, int(subject.x))
    part = upright[top : top + max(1, int(subject.height)), left : left + max(1, int(subject.width))]
    light = measures.light(np.ascontiguousarray(part))
    return {"subject_mean": light.mean, "subject_blown": light.blown}
