"""How much of a page's text was read, and how surely, as clauses and advice: one of each kind a page."""

from typing import TYPE_CHECKING

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.receipt import Clause, ClauseName, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rythmiq_worker.engines.text import TextSight

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
