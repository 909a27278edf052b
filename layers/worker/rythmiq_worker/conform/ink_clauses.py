"""What a picture of ink shows, as clauses and advice."""

from typing import TYPE_CHECKING

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.receipt import Clause, Verdict

if TYPE_CHECKING:
    from rythmiq.contracts.portal import SchemaDefinition
    from rythmiq_worker.ink.sight import Finding, InkKind, InkSight

_WANTED: "dict[InkKind, str]" = {
    "signature": "a signature in ink, whole and alone",
    "thumb": "a thumb impression, whole and alone",
}
_SHOWN: "dict[Finding, str]" = {
    "no_ink": "no ink",
    "not_ink": "something else than ink on paper",
    "print": "print",
}


def ink_clauses(rules: "SchemaDefinition", kind: "InkKind", ink: "InkSight | None") -> list[Clause]:
    """Judge a picture of ink.

    Args:
        rules: the slot's.
        kind: what the picture should show.
        ink: what it shows; None where nobody looked.
    """
    found = [_ink(rules, kind, ink)]
    if kind == "signature" and rules.signatures is not None:
        found.append(_signatures(rules, rules.signatures, ink))
    return found


def ink_notices(rules: "SchemaDefinition", kind: "InkKind", ink: "InkSight | None") -> list[Notice]:
    """Say what is wrong with a picture of ink; the same arguments."""
    if ink is None:
        return []
    found: list[Notice] = []
    wanted = rules.signatures if kind == "signature" else None
    if ink.finding == "no_ink":
        found.append(Notice(WarningCode.NO_INK, {"reason": "thumb"} if kind == "thumb" else {}))
    elif ink.finding == "not_ink":
        found.append(Notice(WarningCode.NO_INK, {"reason": "not_thumb" if kind == "thumb" else "not_ink"}))
    elif ink.finding == "print":
        found.append(Notice(WarningCode.PRINTED_TEXT))
    elif ink.finding == "lines" and wanted is None:
        found.append(Notice(WarningCode.SEVERAL_LINES, {"found": ink.lines}))
    if ink.cut:
        found.append(Notice(WarningCode.INK_TOUCHES_EDGE))
    if wanted is not None and ink.lines != wanted:
        found.append(Notice(WarningCode.SIGNATURES, {"found": ink.lines, "wanted": wanted}))
    return found


def _ink(rules: "SchemaDefinition", kind: "InkKind", ink: "InkSight | None") -> Clause:
    if ink is None:
        return Clause(clause="ink", wanted=_WANTED[kind], measured=None, verdict="not_checked", hard=False)
    stacked = kind == "signature" and rules.signatures is not None
    verdict: Verdict = "fail"
    if ink.finding == "ink" or (ink.finding == "lines" and stacked):
        measured, verdict = ("cut off at the edge", "advice") if ink.cut else ("ink on paper", "pass")
    elif ink.finding == "lines":
        measured = f"{ink.lines} lines of writing"
    else:
        measured = _SHOWN[ink.finding]
    return Clause(
        clause="ink", wanted=_WANTED[kind], measured=f"{measured}, on the upload", verdict=verdict, hard=False
    )


def _signatures(rules: "SchemaDefinition", wanted: int, ink: "InkSight | None") -> Clause:
    words = f"{wanted} signatures, one below the other" if wanted > 1 else "one signature"
    return Clause(
        clause="signatures",
        wanted=words,
        measured=None if ink is None else f"{ink.lines}, on the upload",
        verdict="not_checked" if ink is None else "pass" if ink.lines == wanted else "fail",
        hard=False,
        source=rules.source_of("signatures"),
    )
