"""QUALITY: how good the upload is, measured on the original before anything is done to it.

One decoder-scaled decode serves every measure and the search for faces; blockiness alone needs native pixels, of which
a patch is decoded. A photo is judged by its face: a soft background is what portrait modes make, and a dark room or a
white wall says nothing of the light that falls on the person.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq_worker.conform.geometry import resolve_kind
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.imaging import measures
from rythmiq_worker.imaging.scoring import judge
from rythmiq_worker.job import Assessment, Context, Decoded

if TYPE_CHECKING:
    from rythmiq.contracts.payload import Crop
    from rythmiq_worker.people.portrait import FindFaces, Portrait

_KINDS_WITH_FACES: Final = frozenset({"photo", "auto"})


def quality(decoded: Decoded, ctx: Context, find: "FindFaces | None" = None) -> Assessment:
    """Score the first page, find its face and resolve its kind; warn of what is wrong with it.

    Faces are searched on the picture as its owner wants it turned, in the pixels of a small copy of that.

    Raises:
        JobError: DECODE_FAILED.
    """
    rules, options = ctx.payload.portal_schema.schema_definition, ctx.payload.options.of_page(0)
    page = decoded.pages[0]
    portrait: Portrait | None = None
    thumbnail = page.thumbnail()
    fine = measures.fine_gray(thumbnail)
    canonical = measures.shrunk(fine, measures.CANONICAL_PX)
    native = np.asarray(page.native_patch(), dtype=np.uint8)
    if rules.kind in _KINDS_WITH_FACES:
        # Imported here: a signature or a page has no face, and its job need not know how to look at one.
        from rythmiq_worker.conform.person import portrait_of, wish_of  # noqa: PLC0415

        turned = page.turned(options.rotate or 0)
        portrait = portrait_of(turned, wish_of(options), *([find] if find else []))
    kind = resolve_kind(rules, portrait)
    light = measures.light(canonical)
    figures = _figures(page, fine, canonical, native) | {
        "mean": light.mean,
        "spread": light.deep_spread if kind in {"signature", "thumb"} else light.spread,
        "histogram_spread": light.middle_spread,
        "blown": light.blown,
    }
    if kind == "photo":
        turned_gray = np.rot90(canonical, -((options.rotate or 0) // 90))  # as its owner turned it, where faces stand
        figures |= _of_the_face(turned_gray, portrait, options.crop)
    elif kind == "document":
        figures |= {"subject_blown": measures.glare(canonical), "paper_blown": measures.paper_blown(canonical)}
    judged = judge(kind, figures)
    measured = portrait if kind == "photo" else None
    ctx.warn(*(_notice(code, measured) for code in judged.reasons))
    return Assessment(kind, judged, portrait)


def _figures(page: Picture, fine: measures.Gray, canonical: measures.Gray, native: measures.Gray) -> dict[str, float]:
    long_side_px = max(page.width_px, page.height_px)
    # Blocks are of native pixels, and count as they show at the size at which a picture is looked at, as noise does.
    shown = min(1.0, measures.FINE_PX / long_side_px)
    return {
        "edge_width": measures.edge_width(canonical),
        "blur_effect": measures.blur_effect(canonical),
        "noise_sigma": measures.noise_sigma(fine),
        "blockiness": shown * measures.blockiness(native),
        "detail": measures.detail(canonical),
        "long_side_px": float(long_side_px),
        "laplacian_variance": measures.laplacian_variance(canonical),
    }


def _of_the_face(canonical: measures.Gray, portrait: "Portrait | None", crop: "Crop | None") -> dict[str, float]:
    """The figures that a photo has of its subject: light, and sharpness where there is a face."""
    if portrait is None or portrait.subject is None:
        return _exposure(canonical, _middle(crop))
    box, (width, height) = portrait.subject.box, portrait.size
    shares = (box.x / width, box.y / height, (box.x + box.width) / width, (box.y + box.height) / height)
    own = _exposure(canonical, shares)
    if portrait.sharpness is not None:
        own |= {"face_edge_width": portrait.sharpness.edge_width_px, "face_smear": portrait.sharpness.smear}
    if portrait.light is not None:
        own |= {"face_dark": 0.0 if portrait.light.dark is None else 1.0}
    return own


def _middle(crop: "Crop | None") -> tuple[float, float, float, float]:
    """Where the subject of a photo is taken to be when there is no face: in the middle of what is taken."""
    x, y, width, height = (0.0, 0.0, 1.0, 1.0) if crop is None else (crop.x, crop.y, crop.width, crop.height)
    return x + width / 4, y + height / 4, x + 3 * width / 4, y + 3 * height / 4


def _exposure(canonical: measures.Gray, shares: tuple[float, float, float, float]) -> dict[str, float]:
    """The light on the subject; its background may be white by the portal's own rule."""
    height, width = canonical.shape
    left, top = max(0, int(shares[0] * width)), max(0, int(shares[1] * height))
    right, bottom = max(left + 1, int(shares[2] * width)), max(top + 1, int(shares[3] * height))
    light = measures.light(np.ascontiguousarray(canonical[top:bottom, left:right]))
    return {"subject_mean": light.mean, "subject_blown": light.blown}


def _notice(code: WarningCode, portrait: "Portrait | None") -> Notice:
    """Make a reason a warning, about the face where the face was measured."""
    if code is WarningCode.BLURRED and portrait is not None and portrait.sharpness is not None:
        return Notice(code, {"reason": "face"})
    if code is WarningCode.TOO_DARK and portrait is not None and portrait.light is not None and portrait.light.dark:
        return Notice(code, {"reason": portrait.light.dark})
    return Notice(code)
