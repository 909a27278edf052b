"""From a file's facts and a slot's rules to clauses: the verdicts of a receipt.

Hard clauses (bytes, pixels, DPI, format, colour, metadata, aspect, compression, file name) fail a job. Soft ones
(background, face, sharpness, legibility) leave the file standing and say what to do better.

Source: docs/specification/receipt.md, docs/specification/portals.md.
"""

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.keys import sanitize_filename
from rythmiq.contracts.portal import PixelBounds, SchemaDefinition, Source
from rythmiq.contracts.result import Clause, ClauseName, Verdict
from rythmiq_worker.conform.content_clauses import Finding, ink_clauses, text_clauses
from rythmiq_worker.conform.measure import Colour, FileFacts
from rythmiq_worker.conform.sight import SHARPNESS_SIDE_PX, Sight

DPI_TOLERANCE = 0.5
_EDGE_WIDTH = (5.2, 5.8)
_COLOUR_WORDS: dict[Colour, str] = {
    "rgb": "24-bit colour",
    "gray": "8-bit gray",
    "bw": "black and white",
    "mixed": "pages of different colours",
    "other": "another colour space",
}


def clauses_for(
    rules: SchemaDefinition, facts: FileFacts, sight: Sight, *, filename: str | None, ours: bool
) -> tuple[Clause, ...]:
    """Judge a file clause by clause.

    Args:
        rules: the slot's rules.
        facts: of the file's bytes.
        sight: of its pixels.
        filename: under which it goes to the portal; None when that is not known.
        ours: whether we made the file. Metadata in somebody else's file is no reason for a portal to refuse it, so
            there it is advice; in ours it is a failure.
    """
    return (*_hard(rules, facts, sight, filename, ours=ours), *_soft(rules, sight))


def _hard(rules: SchemaDefinition, facts: FileFacts, sight: Sight, filename: str | None, *, ours: bool) -> list[Clause]:
    found = [_format(rules, facts, ours=ours), _bytes(rules, facts), _pixels(rules, facts)]
    if rules.aspect_min is not None or rules.aspect_max is not None:
        found.append(_aspect(rules, facts))
    if rules.target_dpi is not None:
        found.append(_dpi(rules.target_dpi, facts, rules.source_of("target_dpi")))
    found += [_colour(rules, facts, sight), _metadata(facts, ours=ours)]
    if rules.max_compression_ratio is not None:
        found.append(_compression(rules.max_compression_ratio, facts, rules.source_of("max_compression_ratio")))
    found.append(_filename(rules, filename, ours=ours))
    return found


def _soft(rules: SchemaDefinition, sight: Sight) -> list[Clause]:
    found: list[Clause] = []
    of_a_person = sight.kind == "photo" and rules.face != "off"
    if rules.background != "any":
        found.append(background_finding(rules, sight).clause)
    if of_a_person:
        from rythmiq_worker.conform.person_clauses import person_findings  # noqa: PLC0415  only photos show a person

        found += [finding.clause for finding in person_findings(rules, sight.portrait, sight.person)]
    if sight.kind in {"photo", "document"}:
        found.append(_sharpness(sight))
    else:
        found += ink_clauses(rules, "thumb" if sight.kind == "thumb" else "signature", sight.ink)
    if sight.kind == "document" and rules.ocr == "auto":
        found += text_clauses(sight.texts)
    if rules.caption == "required" or sight.captioned:
        printed, source = "name and date on the photo", rules.source_of("caption")
        measured = "printed" if sight.captioned else None
        found.append(_clause("name_date_strip", printed, measured, "pass" if measured else "not_checked", source))
    return found


def _clause(  # noqa: PLR0913  the fields of a clause
    clause: ClauseName,
    wanted: str,
    measured: str | None,
    verdict: Verdict,
    source: Source | None,
    *,
    hard: bool = False,
) -> Clause:
    return Clause(clause=clause, wanted=wanted, measured=measured, verdict=verdict, hard=hard, source=source)


def _hard_clause(clause: ClauseName, wanted: str, measured: str, source: Source | None, *, holds: bool) -> Clause:
    return _clause(clause, wanted, measured, "pass" if holds else "fail", source, hard=True)


def _format(rules: SchemaDefinition, facts: FileFacts, *, ours: bool) -> Clause:
    formats = (rules.output_format,) if ours else rules.formats or (rules.output_format,)
    measured = facts.name if facts.fault is None else f"{facts.name}: {facts.fault}"
    if facts.container == "jpeg":
        measured += " (JFIF)" if facts.jfif else " without a JFIF header"
    wanted = " or ".join(name.upper() for name in formats)
    holds = facts.container in formats and facts.fault is None and (facts.jfif is not False or not ours)
    verdict: Verdict = "fail" if not holds else "advice" if facts.jfif is False else "pass"
    return _clause("format", wanted, measured, verdict, rules.source_of("formats", "output_format"), hard=True)


def _bytes(rules: SchemaDefinition, facts: FileFacts) -> Clause:
    least, most = rules.min_bytes, rules.max_bytes
    if least and most:
        wanted = f"{_kb(rules.min_kb)} to {_kb(rules.max_kb)} KB ({least} to {most} bytes)"
    elif most:
        wanted = f"at most {_kb(rules.max_kb)} KB ({most} bytes)"
    elif least:
        wanted = f"at least {_kb(rules.min_kb)} KB ({least} bytes)"
    else:
        wanted = "any size"
    holds = (least or 0) <= facts.bytes <= (most or facts.bytes)
    return _hard_clause("bytes", wanted, f"{facts.bytes} bytes", rules.source_of("max_kb", "min_kb"), holds=holds)


def _kb(kb: float | None) -> str:
    return f"{kb:g}" if kb is not None else "any"


def _pixels(rules: SchemaDefinition, facts: FileFacts) -> Clause:
    bounds = rules.pixel_bounds
    measured = f"{facts.width_px} x {facts.height_px} px"
    source = rules.source_of("target_width", "min_width", "max_width", "width_mm", "min_height", "max_height")
    if bounds is None:
        return _hard_clause("pixels", "any size", measured, source, holds=facts.width_px > 0 or facts.pages > 0)
    wanted = _bounds_words(bounds)
    if rules.width_mm is not None and rules.target_dpi is not None:
        wanted += f" ({rules.width_mm:g} x {rules.height_mm:g} mm at {rules.target_dpi} DPI)"
    return _hard_clause("pixels", wanted, measured, source, holds=bounds.holds(facts.width_px, facts.height_px))


def _bounds_words(bounds: PixelBounds) -> str:
    if bounds.exact:
        return f"{bounds.min_width_px} x {bounds.min_height_px} px"
    return f"{bounds.min_width_px} x {bounds.min_height_px} px to {bounds.max_width_px} x {bounds.max_height_px} px"


def _aspect(rules: SchemaDefinition, facts: FileFacts) -> Clause:
    low, high = rules.aspect_min or 0.0, rules.aspect_max or float("inf")
    aspect = facts.width_px / facts.height_px if facts.height_px else 0.0
    wanted = f"width over height {low:g} to {high:g}" if high < float("inf") else f"width over height from {low:g}"
    source = rules.source_of("aspect_min", "aspect_max")
    return _hard_clause("aspect", wanted, f"{aspect:.3f}", source, holds=low <= aspect <= high)


def _dpi(wanted_dpi: int, facts: FileFacts, source: Source | None) -> Clause:
    measured = "not stated" if facts.dpi is None else f"{facts.dpi:g} DPI"
    tolerance = 0.0 if facts.container == "jpeg" else DPI_TOLERANCE
    holds = facts.dpi is not None and abs(facts.dpi - wanted_dpi) <= tolerance
    return _hard_clause("dpi", f"{wanted_dpi} DPI", measured, source, holds=holds)


def _colour(rules: SchemaDefinition, facts: FileFacts, sight: Sight) -> Clause:
    colour, wanted, source = facts.colour, _COLOUR_WORDS[rules.color], rules.source_of("color")
    if rules.color == "bw" and colour == "gray":
        if sight.bilevel is None and facts.container == "pdf":  # nobody looked at a foreign PDF's pixels
            colour = None
        elif sight.bilevel:
            colour = "bw"
    if colour is None:
        return _clause("colour", wanted, None, "not_checked", source, hard=True)
    return _hard_clause("colour", wanted, _COLOUR_WORDS[colour], source, holds=colour == rules.color)


def _metadata(facts: FileFacts, *, ours: bool) -> Clause:
    found = list(facts.metadata) + ([f"{facts.trailing_bytes} bytes after the end"] if facts.trailing_bytes else [])
    measured = ", ".join(dict.fromkeys(found)) or "none"
    verdict: Verdict = "pass" if not found else "fail" if ours or facts.trailing_bytes else "advice"
    return _clause("metadata", "no EXIF, GPS or ICC, nothing after the end", measured, verdict, None, hard=True)


def _compression(most: float, facts: FileFacts, source: Source | None) -> Clause:
    ratio = facts.width_px * facts.height_px * 3 / facts.bytes if facts.bytes else 0.0
    return _hard_clause("compression_ratio", f"at most {most:g}:1", f"{ratio:.1f}:1", source, holds=0 < ratio <= most)


def _filename(rules: SchemaDefinition, filename: str | None, *, ours: bool) -> Clause:
    """A name that the portal wants is compared, with or without the extension; else the name has to be a legal one."""
    source = rules.source_of("filename_pattern")
    literal = "{" not in rules.filename_pattern
    wanted = rules.filename_pattern if literal else "letters, digits, dot, dash and underscore"
    if filename is None:
        return _clause("filename", wanted, None, "not_checked", source, hard=True)
    if literal:
        holds = sanitize_filename(wanted) in {filename, filename.rpartition(".")[0]}
    else:
        holds = sanitize_filename(filename) == filename
    verdict: Verdict = "pass" if holds else "fail" if literal or ours else "advice"
    return _clause("filename", wanted, filename, verdict, source, hard=True)


def _sharpness(sight: Sight) -> Clause:
    if sight.kind == "photo":
        from rythmiq_worker.conform.person_clauses import sharpness_of_face  # noqa: PLC0415  ditto

        return sharpness_of_face(sight.portrait)
    if sight.edge_width is None:
        return _clause("sharpness", "sharp edges", None, "not_checked", None)
    words = f"edges {sight.edge_width:.2f} px wide at {SHARPNESS_SIDE_PX} px"
    return _clause(
        "sharpness", f"edges up to {_EDGE_WIDTH[0]} px", words, _graded(sight.edge_width, *_EDGE_WIDTH), None
    )


def _graded(value: float, passes_to: float, fails_from: float) -> Verdict:
    """Pass up to one bound, fail from another, advice between: what we measure is an estimate there."""
    return "pass" if value <= passes_to else "fail" if value >= fails_from else "advice"


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
