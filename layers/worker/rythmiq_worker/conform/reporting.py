"""Advice for the owner, and the receipt's operations.

Shares are of the picture upright by EXIF and turned by its owner.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.payload import Options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.result import Clause, Operation
from rythmiq_worker.conform.clauses import background_finding
from rythmiq_worker.conform.content_clauses import ink_notices, text_notices
from rythmiq_worker.conform.geometry import Layout
from rythmiq_worker.conform.raster import Encoded
from rythmiq_worker.conform.render import Finished
from rythmiq_worker.conform.sight import Sight

if TYPE_CHECKING:
    from pydantic import JsonValue

    from rythmiq_worker.conform.pdf import Layered
    from rythmiq_worker.people.portrait import Portrait

_OF_CLAUSES = {"sharpness": WarningCode.BLURRED}


def notices_for(  # noqa: PLR0913  what a warning can come from
    clauses: Sequence[Clause],
    sight: Sight,
    rules: SchemaDefinition,
    layout: Layout,
    finished: Finished,
    *,
    shrunk: bool,
    layered: "Layered | None" = None,
) -> tuple[Notice, ...]:
    """Say what would make a file better that we made, the person first.

    Args:
        clauses: of the file.
        sight: of its pixels.
        rules: the slot's.
        layout: how it was made.
        finished: what was done to a photo.
        shrunk: whether pixels were given up for the kilobytes.
        layered: the text layer, where its owner asked for one.
    """
    found = list(advice_on(clauses, sight, rules))
    if finished.kept_because is not None:
        found.append(Notice(WarningCode.BACKGROUND_KEPT, {"reason": finished.kept_because}))
    if layout.upscaled:
        of_a_face = sight.portrait is not None and sight.portrait.subject is not None
        found.append(Notice(WarningCode.UPSCALED, {"reason": "face"} if of_a_face else {}))
    if shrunk:
        found.append(Notice(WarningCode.PIXELS_REDUCED))
    if layered is not None and layered.dropped:
        found.append(Notice(WarningCode.TEXT_LAYER_DROPPED, {"bytes": layered.bytes}))
    return tuple(found)


def advice_on(clauses: Sequence[Clause], sight: Sight, rules: SchemaDefinition) -> tuple[Notice, ...]:
    """Say what would make any file better, whoever made it; arguments as of `notices_for`."""
    found: list[Notice] = []
    if sight.kind == "photo" and rules.face != "off":
        found += _notices_of_the_person(sight, rules)
    if rules.background != "any" and (notice := background_finding(rules, sight).notice) is not None:
        found.append(notice)
    found += [
        Notice(_OF_CLAUSES[clause.clause], {"reason": "face"} if sight.kind == "photo" else {})
        for clause in clauses
        if clause.verdict == "fail" and clause.clause in _OF_CLAUSES
    ]
    if sight.kind == "document" and rules.ocr == "auto":
        found += text_notices(sight.texts)
    if sight.kind in {"signature", "thumb"}:
        found += ink_notices(rules, "thumb" if sight.kind == "thumb" else "signature", sight.ink)
    if rules.caption == "required" and not sight.captioned:
        found.append(Notice(WarningCode.NAME_DATE_STRIP))
    return tuple(found)


def _notices_of_the_person(sight: Sight, rules: SchemaDefinition) -> list[Notice]:
    from rythmiq_worker.conform.person_clauses import person_findings  # noqa: PLC0415  only photos show a person

    found: list[Notice] = []
    portrait = sight.portrait
    if portrait is None or portrait.subject is None:
        missing = portrait.missing if portrait is not None else None
        found.append(Notice(WarningCode.FACE_NOT_FOUND, {"reason": missing} if missing else {}))
    elif sight.person is not None and sight.person.face is None:
        found.append(Notice(WarningCode.FACE_NOT_FOUND, {"reason": "cut"}))
    elif sight.person is not None and not sight.person.whole_head:
        cut = portrait.head is not None and portrait.head.cut_at_top
        found.append(Notice(WarningCode.HEAD_DOES_NOT_FIT, {"reason": "cut"} if cut else {}))
    findings = person_findings(rules, portrait, sight.person)
    return found + [finding.notice for finding in findings if finding.notice is not None]


_MOST_OTHERS = 9


def operations_of(  # noqa: PLR0913, PLR0917  what there is to tell of
    layout: Layout,
    made: Encoded,
    finished: Finished,
    portrait: "Portrait | None",
    options: Options,
    rules: SchemaDefinition,
    layered: "Layered | None" = None,
) -> list[Operation]:
    """List what was done, in its order."""
    found = _operations_of_the_person(layout, portrait, options) if portrait is not None else []
    region = layout.region
    found += [
        Operation(
            op="crop",
            parameters={
                "left": round(region.left, 2),
                "top": round(region.top, 2),
                "width": round(region.width, 2),
                "height": round(region.height, 2),
                "by": "owner" if options.crop is not None else "layout",
            },
        ),
        Operation(
            op="resize", parameters={"width_px": layout.placed[2], "height_px": layout.placed[3], "filter": "lanczos"}
        ),
    ]
    if layout.placed[2:] != (layout.width_px, layout.height_px - layout.strip_px):
        found.append(
            Operation(op="pad", parameters={"colour": "white", "left": layout.placed[0], "top": layout.placed[1]})
        )
    if finished.whitened is not None:
        found.append(Operation(op="background", parameters={"to": "white", "share": finished.whitened, "by": "owner"}))
    if finished.captioned:
        found.append(Operation(op="caption", parameters={"height_px": layout.strip_px, "by": "owner"}))
    if rules.color != "rgb":
        found.append(Operation(op="colour", parameters={"to": rules.color}))
    if layered is not None:
        kept: dict[str, JsonValue] = {"lines": layered.lines, "pages": layered.pages, "by": "owner"}
        found.append(
            Operation(
                op="text_layer",
                parameters=kept | ({"dropped": True, "needs_bytes": layered.bytes} if layered.dropped else {}),
            )
        )
    found.append(
        Operation(op="encode", parameters={"format": rules.output_format, "table_scale": round(made.scale, 4)})
    )
    if made.padded_bytes:
        found.append(Operation(op="pad_bytes", parameters={"bytes": made.padded_bytes}))
    return found


def _operations_of_the_person(layout: Layout, portrait: "Portrait", options: Options) -> list[Operation]:
    if portrait.subject is None:
        return []
    box, (width, height) = portrait.subject.box, portrait.size
    found = [
        Operation(
            op="face",
            parameters={
                "x": round(box.x / width, 4),
                "y": round(box.y / height, 4),
                "width": round(box.width / width, 4),
                "height": round(box.height / height, 4),
                "roll_deg": round(portrait.subject.roll_deg, 1),
                "score": round(portrait.subject.score, 3),
                "faces": len(portrait.faces),
                "others": [
                    [round(x / width, 3), round(y / height, 3)]
                    for x, y in (face.box.centre for face in portrait.faces if face is not portrait.subject)
                ][:_MOST_OTHERS],
                "by": "owner" if options.face is not None else "size",
            },
        )
    ]
    if portrait.turn_clockwise:
        found.insert(
            0,
            Operation(op="turn", parameters={"degrees_clockwise": portrait.turn_clockwise, "decided_by": "face"}),
        )
    if layout.levelling.degrees_clockwise:
        degrees = round(layout.levelling.degrees_clockwise, 1)
        found.append(Operation(op="level", parameters={"degrees_clockwise": degrees}))
    return found
