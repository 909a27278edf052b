"""Signatures on real, labelled pictures: is one taken without a word, and is what is none called so? Counts only."""

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.conform.content_clauses import ink_notices
from rythmiq_worker.stages.enhance import enhance
from tests.bench.quality import area_under_curve, judged
from tests.bench.real_pictures import RealPicture, real_signatures
from tests.data.quality_levels import NOISES, as_jpeg, noisy, reduced
from tests.support.uploads import context, decoded

NO_SIGNATURE = frozenset({WarningCode.NO_INK, WarningCode.PRINTED_TEXT, WarningCode.SEVERAL_LINES})
LEAST_AUC = 0.95
_CLEAN_SCORE = 0.8
_LONG_SIDE_PX = 1000


def said(picture: RealPicture) -> set[WarningCode]:
    """What a signature's slot says of the ink of a picture."""
    ctx = context(kind="signature")
    made = enhance(decoded(picture.image()), "signature", ctx)
    return {notice.code for notice in ink_notices(ctx.payload.portal_schema.schema_definition, "signature", made.ink)}


def rows(pages: tuple[RealPicture, ...]) -> list[dict[str, object]]:
    """Measure signatures, and pages given as such; and how pages are judged as documents."""
    signatures = real_signatures()
    present = [picture for picture in signatures if picture.label["signature"] == "present"]
    absent = [picture for picture in signatures if picture.label["signature"] == "absent"]
    unwarned = sum(not said(picture) & NO_SIGNATURE for picture in absent)
    silent = sum(not said(picture) & NO_SIGNATURE for picture in pages)
    doubted = sum(bool(said(picture) & NO_SIGNATURE) for picture in present)
    return [
        _row("pictures without a signature that pass for one", unwarned, f"of {len(absent)}"),
        _row("pages that pass for a signature", silent, f"of {len(pages)}"),
        _row("signatures that are called something else", doubted, f"of {len(present)}"),
        *_judged(pages),
    ]


def _judged(pages: tuple[RealPicture, ...]) -> list[dict[str, object]]:
    files = [picture.path.read_bytes() for picture in pages]
    reasons = [judged(data, "document").reasons for data in files]
    bright = sum(WarningCode.TOO_BRIGHT in each for each in reasons)
    lossless = [each for picture, each in zip(pages, reasons, strict=True) if picture.path.suffix in {".png", ".tif"}]
    blocky = sum(WarningCode.COMPRESSED in each for each in lossless)
    clean, spoilt = [], []
    for picture in pages:
        image = picture.image()
        image = reduced(image, _LONG_SIDE_PX) if max(image.size) > _LONG_SIDE_PX else image
        score = judged(as_jpeg(image), "document").score
        if score >= _CLEAN_SCORE:
            clean.append(score)
            spoilt += [judged(as_jpeg(noisy(image, sigma)), "document").score for sigma in NOISES]
    auc = area_under_curve(clean, spoilt)
    what = "AUC, a good page's score above that of one with noise"
    return [
        _row("pages that are called too bright", bright, f"of {len(pages)}; none is"),
        _row("PNG and TIFF that are called compressed", blocky, f"of {len(lossless)}"),
        {
            "what": what,
            "measured": round(auc, 4),
            "bar": f">= {LEAST_AUC}",
            "unit": None,
            "holds": auc >= LEAST_AUC,
            "note": f"{len(clean)} pages that score {_CLEAN_SCORE} and more, noise of {NOISES} gray levels",
        },
    ]


def _row(what: str, count: int, note: str) -> dict[str, object]:
    return {"what": what, "measured": count, "bar": "<= 0", "unit": None, "holds": count == 0, "note": note}
