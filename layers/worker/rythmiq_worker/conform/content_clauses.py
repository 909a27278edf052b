"""Clauses and advice on a document's text and on the ink of a signature or thumb impression."""

from typing import TYPE_CHECKING, NamedTuple

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.result import Clause, ClauseName, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rythmiq.contracts.portal import SchemaDefinition
    from rythmiq_worker.engines import TextSight
    from rythmiq_worker.ink.judge import Finding as InkFinding
    from rythmiq_worker.ink.judge import InkKind, InkSight


class Finding(NamedTuple):
    """A clause, and the advice that goes with it."""

    clause: Clause
    notice: Notice | None = None


LEGIBILITY = (0.85, 0.60)
"""From where text passes, and down from what it fails: the mean confidence over all of it."""
COMPLETENESS = (0.97, 0.75)
"""The same for the share of the text that was read; in the best pages a mark or two looks like text and is none."""
MOST_CUT = 1  # lines that run into the border: one may be a rule or a stain


def text_clauses(texts: "Sequence[TextSight | None]") -> list[Clause]:
    """Judge the text of each page.

    Args:
        texts: of the pages; None for one that nobody read. Empty: nobody looked for text.
    """
    found: list[Clause] = []
    for index, text in enumerate(texts or (None,)):
        page = index + 1 if len(texts) > 1 else None
        found += [_legibility(text, page), _completeness(text, page)]
    return found


def text_notices(texts: "Sequence[TextSight | None]") -> list[Notice]:
    """Say what of the text is unclear or missing, once for all pages; the worst page speaks."""
    seen = [text for text in texts if text is not None]
    found: list[Notice] = []
    if any(_legibility(text, None).verdict == "fail" for text in seen):
        found.append(Notice(WarningCode.TEXT_UNCLEAR))
    shares = [text.completeness for text in seen if text.completeness is not None and not text.scripts]
    if shares and min(shares) < COMPLETENESS[0]:
        found.append(Notice(WarningCode.TEXT_MISSING, {"percent": max(1, round(100 * (1 - min(shares))))}))
    elif any(text.cut_lines > MOST_CUT for text in seen):
        lines = sum(text.cut_lines for text in seen)
        found.append(Notice(WarningCode.TEXT_MISSING, {"reason": "border", "lines": lines}))
    return found


def _legibility(text: "TextSight | None", page: int | None) -> Clause:
    wanted = f"text read with confidence {LEGIBILITY[0]:.0%} or more"
    share = None if text is None else text.legibility
    if share is None:
        return _clause("legibility", wanted, None, "not_checked", page)
    return _clause("legibility", wanted, f"{share:.0%}", _graded(share, *LEGIBILITY), page)


def _completeness(text: "TextSight | None", page: int | None) -> Clause:
    wanted = "all text read, none cut by the border"
    if text is None or text.completeness is None:
        return _clause("completeness", wanted, None, "not_checked", page)
    words = [f"about {int(100 * text.completeness)}% read"]
    if text.unread_lines:
        words.append(f"{text.unread_lines} lines or parts of lines not read")
    if text.cut_lines:
        words.append(f"{text.cut_lines} lines run into the border")
    if text.scripts:
        return _clause("completeness", wanted, "text in another script not read", "advice", page)
    verdict = _graded(text.completeness, *COMPLETENESS)
    if verdict == "pass" and text.cut_lines > MOST_CUT:
        verdict = "advice"
    return _clause("completeness", wanted, "; ".join(words), verdict, page)


def _clause(name: ClauseName, wanted: str, measured: str | None, verdict: Verdict, page: int | None) -> Clause:
    return Clause(clause=name, wanted=wanted, measured=measured, verdict=verdict, hard=False, page=page)


def _graded(share: float, passes_from: float, fails_at: float) -> Verdict:
    """Pass from one bound, fail at another, advice between: what we measure is an estimate there."""
    return "pass" if share >= passes_from else "fail" if share <= fails_at else "advice"


_WANTED: "dict[InkKind, str]" = {
    "signature": "a signature in ink, whole and alone",
    "thumb": "a thumb impression, whole and alone",
}
_SHOWN: "dict[InkFinding, str]" = {
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
