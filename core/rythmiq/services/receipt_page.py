"""The receipt as one HTML page that needs nothing else: no network, no script, pictures inline.

It is deterministic, prints on one or two sheets, fits a phone, follows the reader's light or dark scheme, and says each
verdict in words and by shape, not by colour alone.
"""

import base64
from collections.abc import Sequence
from html import escape
from importlib import resources

from rythmiq.contracts.portal import Source
from rythmiq.contracts.receipt import Clause, Operation, Receipt

_WORDS = {"pass": "fits", "fail": "does not fit", "advice": "look again", "not_checked": "not checked"}
_MARKS = {"pass": "✓", "fail": "✕", "advice": "!", "not_checked": "–"}
_NAMES = {
    "bytes": "File size",
    "pixels": "Pixels",
    "dpi": "DPI",
    "format": "Format",
    "colour": "Colour",
    "metadata": "Hidden data",
    "aspect": "Shape",
    "compression_ratio": "Compression",
    "filename": "File name",
    "background": "Background",
    "face": "Face",
    "face_size": "Size of the head",
    "faces": "People",
    "centring": "Head in the middle",
    "roll": "Head upright",
    "pose": "Looks straight",
    "eyes": "Eyes",
    "mouth": "Mouth",
    "glasses": "Glasses",
    "headwear": "Headwear",
    "grey": "In colour",
    "face_light": "Light on the face",
    "sharpness": "Sharpness",
    "legibility": "Legibility",
    "completeness": "Whole text",
    "signatures": "Signatures",
    "ink": "Ink",
    "name_date_strip": "Name and date",
}


def receipt_page(
    receipt: Receipt, *, before: bytes | None = None, after: bytes | None = None, warnings: Sequence[str] = ()
) -> str:
    """Write the page.

    Args:
        receipt: what was measured.
        before: a small JPEG of the upload.
        after: a small JPEG of the document.
        warnings: `"CODE: sentence"` each.
    """
    document = receipt.document
    sources = list(dict.fromkeys(clause.source for clause in receipt.clauses if clause.source is not None))
    slot = f" {receipt.slot}" if receipt.slot else ""
    title = f"{receipt.portal}{slot}"
    verdict, mark = ("This file fits", "✓") if receipt.conforms else ("This file does not fit in every point", "!")
    facts = " · ".join(
        [
            f"{document.width_px} × {document.height_px} px" if document.width_px else f"{document.pages} page(s)",
            f"{document.bytes:,} bytes".replace(",", "\u202f"),
            document.format.upper(),
            *([f"{document.dpi:g} DPI"] if document.dpi else []),
        ]
    )
    return _PAGE.format(
        title=escape(title),
        css=_CSS,
        state="yes" if receipt.conforms else "no",
        mark=mark,
        verdict=verdict,
        portal=escape(title),
        version=escape(receipt.version),
        filename=escape(document.filename),
        facts=escape(facts),
        pictures=_pictures(before, after) + _replaced(receipt.operations),
        warnings=_warnings(warnings) + _not_checked(receipt.clauses),
        rows=_rows(receipt.clauses, sources),
        sources=_sources(sources),
        operations=_operations(receipt.operations),
        padding=f"<p>{receipt.padded_bytes} of the bytes are padding.</p>" if receipt.padded_bytes else "",
        sha256=document.sha256,
        versions=escape(", ".join(f"{name} {version}" for name, version in receipt.versions.items())),
    )


def _pictures(before: bytes | None, after: bytes | None) -> str:
    shown = [
        f'<figure><img src="data:image/jpeg;base64,{base64.b64encode(data).decode()}" alt="{alt}">'
        f"<figcaption>{caption}</figcaption></figure>"
        for data, alt, caption in (
            (before, "The picture as it was uploaded", "Before"),
            (after, "The file for the portal", "After"),
        )
        if data is not None
    ]
    return f'<section class="pictures" aria-label="Before and after">{"".join(shown)}</section>' if shown else ""


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(text.partition(': ')[2] or text)}</li>" for text in warnings)
    return f'<section class="advice"><h2>What would make it better</h2><ul>{items}</ul></section>'


def _replaced(operations: Sequence[Operation]) -> str:
    """What whoever sends the file must know before anything else: that it shows what no camera saw."""
    if not any(operation.op == "background" for operation in operations):
        return ""
    return (
        '<p class="replaced"><b>The background was replaced with white.</b> Compare both pictures, above all hair, '
        "ears and shoulders, before you send the file.</p>"
    )


def _not_checked(clauses: Sequence[Clause]) -> str:
    items = "".join(
        f"<li>{_name(clause)}: {escape(clause.wanted)}</li>" for clause in clauses if clause.verdict == "not_checked"
    )
    return (
        f'<section class="advice"><h2>Not checked: look at these yourself</h2><ul>{items}</ul></section>'
        if items
        else ""
    )


def _name(clause: Clause) -> str:
    return _NAMES[clause.clause] + (f", page {clause.page}" if clause.page is not None else "")


def _rows(clauses: Sequence[Clause], sources: Sequence[Source]) -> str:
    """The file's own clauses, then a section for each page."""
    pages = sorted({clause.page for clause in clauses if clause.page is not None})
    # A source stands once in a receipt: with the first clause of its name.
    named = {clause.clause: clause.source for clause in reversed(clauses) if clause.source is not None}
    made = []
    for page in (None, *pages):
        if page is not None:
            made.append(f'<tr class="page"><th scope="rowgroup" colspan="5">Page {page}</th></tr>')
        for clause in clauses:
            if clause.page == page:
                source = clause.source or (named.get(clause.clause) if page is not None else None)
                made.append(_row(clause, source, sources))
    return "".join(made)


def _row(clause: Clause, source: Source | None, sources: Sequence[Source]) -> str:
    cited = ""
    if source is not None:
        number = sources.index(source) + 1
        cited = f'<a href="#source-{number}">source {number}</a> <small>confidence {source.confidence}</small>'
    return (
        f'<tr class="{clause.verdict}"><th scope="row">{_NAMES[clause.clause]}'
        f"{'' if clause.hard else '<small>advisory</small>'}</th>"
        f'<td data-label="The portal wants">{escape(clause.wanted)}</td>'
        f'<td data-label="The file has">{escape(clause.measured or "–")}</td>'
        f'<td data-label="Verdict"><span class="verdict"><b aria-hidden="true">{_MARKS[clause.verdict]}</b> '
        f"{_WORDS[clause.verdict]}</span></td>"
        f'<td data-label="Source" class="source">{cited or "our own rule"}</td></tr>'
    )


def _sources(sources: Sequence[Source]) -> str:
    items = "".join(
        f'<li id="source-{number}">{_place(source.source_url)} <small>{source.source_kind}, confidence '
        f"{source.confidence}, checked {source.checked_on.isoformat()}"
        f"{'; ' + escape(source.note) if source.note else ''}</small></li>"
        for number, source in enumerate(sources, start=1)
    )
    return f'<section class="sources"><h2>Where the numbers come from</h2><ol>{items}</ol></section>' if items else ""


def _place(url: str) -> str:
    name = escape(url.partition("://")[2].strip("/") or url)
    return f'<a href="{escape(url)}" rel="noreferrer">{name}</a>' if url.startswith("https://") else name


def _operations(operations: Sequence[Operation]) -> str:
    items = "".join(
        f"<li><b>{escape(operation.op)}</b> "
        f"{escape(', '.join(f'{name} {value}' for name, value in operation.parameters.items()))}</li>"
        for operation in operations
    )
    return f"<ol>{items}</ol>" if items else "<p>Nothing.</p>"


_CSS = resources.files("rythmiq.services").joinpath("receipt_page.css").read_text(encoding="utf-8")
_PAGE = resources.files("rythmiq.services").joinpath("receipt_page.html").read_text(encoding="utf-8")
