"""From clauses and what was done to the advice that a photo's or page's owner reads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.receipt import Clause
from rythmiq_worker.conform.background_clause import background_finding
from rythmiq_worker.conform.finish import Finished
from rythmiq_worker.conform.geometry import Layout
from rythmiq_worker.conform.ink_clauses import ink_notices
from rythmiq_worker.conform.sight import Sight
from rythmiq_worker.conform.text_clauses import text_notices

if TYPE_CHECKING:
    from rythmiq_worker.conform.pdf import Layered

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
        found += _of_the_person(sight, rules)
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


def _of_the_person(sight: Sight, rules: SchemaDefinition) -> list[Notice]:
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
