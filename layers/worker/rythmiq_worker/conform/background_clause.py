"""The background's clause: behind the person on a portrait, at the rim of a signature."""

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.receipt import Clause, Verdict
from rythmiq_worker.conform.finding import Finding
from rythmiq_worker.conform.sight import Sight


def background_finding(rules: SchemaDefinition, sight: Sight) -> Finding:
    """Judge what is behind a person or around ink, where the slot states a rule."""
    wanted = "plain white" if rules.background == "white" else "plain and light"
    source = rules.source_of("background")

    def clause(measured: str | None, verdict: Verdict) -> Clause:
        return Clause(clause="background", wanted=wanted, measured=measured, verdict=verdict, hard=False, source=source)

    backdrop = sight.person.backdrop if sight.person is not None else None
    if backdrop is not None and sight.rim is None:
        company = sight.person is not None and sight.person.company
        found = backdrop.judged("white" if rules.background == "white" else "light", company=company)
        measured = f"lightness {found.measured} of 100, colour {backdrop.chroma:.0f}"
        if found.reason == "busy":
            measured += ", not plain"
        facts = {"reason": found.reason or "", "measured": found.measured, "wanted": found.wanted}
        notice = Notice(WarningCode.BACKGROUND, facts) if found.grade == "fail" else None
        return Finding(clause(measured, found.grade), notice)
    ring = sight.rim
    if ring is None:
        return Finding(clause(None, "not_checked"))
    holds = ring.white if rules.background == "white" else ring.light
    measured = f"lightness {ring.lightness:.0f} of 100, colour {ring.chroma:.0f}"
    return Finding(clause(measured, "pass" if holds else "fail"), None if holds else Notice(WarningCode.BACKGROUND))
