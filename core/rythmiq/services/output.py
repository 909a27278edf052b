"""Builds the output: a ZIP with the document, its receipt as JSON and HTML, and the text; deterministic.

The document is checked against its receipt before it goes in, so that what a portal is sent is what was proved. The
HTML page needs nothing else (no network, no script, pictures inline), prints on one or two sheets, fits a phone,
follows the reader's light or dark scheme, and states each verdict in words and by shape, not by colour alone.

Source: docs/specification/executors.md, docs/specification/storage-keys.md.
"""

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape as html_escape
from importlib import resources

from rythmiq.clock import Deadline
from rythmiq.contracts.errors import ObjectMissingError, ObjectTooLargeError, RythmiqError, StoreError
from rythmiq.contracts.keys import CONTROLS, SEALED_TYPE, output_key, sanitize_filename, zip_name
from rythmiq.contracts.portal import Source
from rythmiq.contracts.result import Artifacts, Clause, Operation, Receipt, Success
from rythmiq.crypto import OVERHEAD_BYTES, DecryptionError, open_sealed, seal
from rythmiq.crypto.key_ring import DataKey
from rythmiq.log import log
from rythmiq.ports import ObjectStore
from rythmiq.ports.jobs import SettlingJob

MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
"""Packing holds it three times in memory at most, in a function that has 256 MB."""
MAX_MASTER_BYTES = MAX_DOCUMENT_BYTES
"""A larger master is not held against its hash here."""
_MAX_PREVIEW_BYTES = 4 * 1024 * 1024
_MAX_TEXT_BYTES = 4 * 1024 * 1024
_OWN_NAMES = frozenset({"receipt.json", "receipt.html", "text.txt"})
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX, _READABLE = 3, 0o100644 << 16


class PackagingError(RythmiqError):
    """The ZIP cannot be built or stored now. The message holds no key, name or URL."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A ZIP that is stored: its storage key, and the SHA-256 of its content."""

    path: str
    sha256: str


class Packer:
    """Builds and stores the ZIP of one job.

    Args:
        store: where the worker's objects are, and the ZIP goes.
        key: the job's data key; None for a plaintext job.
        deadline: bounds all calls of the store together.
    """

    def __init__(self, store: ObjectStore, key: DataKey | None, deadline: Deadline) -> None:
        self._store = store
        self._key = key
        self._deadline = deadline

    def pack(self, job: SettlingJob, success: Success) -> Packed:
        """Store the ZIP; its storage key, which is the same for every repeat, and its SHA-256.

        Raises:
            PackagingError: an object is missing, does not open, does not match its receipt or is not the one that the
                worker made, or the store fails.
        """
        key = output_key(job.user_id, job.job_id, zip_name(job.created_at, sealed=self._key is not None))
        try:
            content = zip_bytes(self._files(success))
            self._store.upload_object(
                key,
                self._sealed(content, key),
                content_type=SEALED_TYPE if self._key else "application/zip",
                timeout_s=self._left_s(),
            )
        except StoreError as error:
            raise PackagingError(f"the store: {error}") from None
        except DecryptionError as error:
            raise PackagingError(f"an object does not open: {error.reason}") from None
        return Packed(key, hashlib.sha256(content).hexdigest())

    def _files(self, success: Success) -> dict[str, bytes]:
        receipt, artifacts = success.receipt, success.artifacts
        if not 0 < receipt.document.bytes <= MAX_DOCUMENT_BYTES:
            raise PackagingError("the document is too large for a ZIP")
        document = self._opened(artifacts.document_path, receipt.document.bytes)
        if hashlib.sha256(document).hexdigest() != receipt.document.sha256:
            raise PackagingError("the document is not the one that the receipt speaks of")
        preview = self._opened(artifacts.preview_path, _MAX_PREVIEW_BYTES)
        text = None if artifacts.text_path is None else self._opened(artifacts.text_path, _MAX_TEXT_BYTES)
        if success.hashes is not None:
            made = success.hashes
            _require_made("document", document, made.document)
            _require_made("preview", preview, made.preview)
            if text is not None:
                _require_made("text", text, made.text)
            self._require_master(artifacts.master_path, made.master)
        page = receipt_page(receipt, before=self._before(artifacts), after=preview, warnings=success.warnings)
        files = {
            document_filename(receipt.document.filename): document,
            "receipt.json": receipt.model_dump_json(indent=2).encode(),
            "receipt.html": page.encode(),
        }
        if text is not None:
            files["text.txt"] = text
        return files

    def _require_master(self, path: str, sha256: str) -> None:
        """Hold the master against its hash, where memory allows to open it: later jobs are made from it."""
        try:
            master = self._opened(path, MAX_MASTER_BYTES)
        except ObjectTooLargeError:
            log("master_not_checked", level="warning", reason="too large")
            return
        _require_made("master", master, sha256)

    def _before(self, artifacts: Artifacts) -> bytes | None:
        """The small picture of the upload; None where an older worker made none, or where it is lost.

        It is there to be looked at, and proves nothing: without it the receipt shows the document alone.
        """
        if artifacts.before_path is None:
            return None
        try:
            return self._opened(artifacts.before_path, _MAX_PREVIEW_BYTES)
        except ObjectMissingError:
            log("before_missing", level="warning")
            return None

    def _opened(self, key: str, max_bytes: int) -> bytes:
        data = self._store.fetch_object(key, max_bytes=max_bytes + OVERHEAD_BYTES, timeout_s=self._left_s())
        return data if self._key is None else open_sealed(data, storage_key=key, data_key=self._key.data_key)

    def _sealed(self, content: bytes, key: str) -> bytes:
        if self._key is None:
            return content
        own = self._key
        return seal(content, storage_key=key, data_key=own.data_key, kid=own.kid, wrapped_key=own.wrapped_key)

    def _left_s(self) -> float:
        return self._deadline.require(PackagingError, "the time is up")


def _require_made(what: str, content: bytes, sha256: str | None) -> None:
    """Refuse an older object in the place of what the worker made; the store could put one there."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise PackagingError(f"the {what} is not the one that the worker made")


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of these files: stored, sorted, with fixed times and modes, so that it depends on them alone."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.create_system, entry.external_attr = _UNIX, _READABLE
            archive.writestr(entry, files[name])
    return out.getvalue()


def document_filename(name: str) -> str:
    """The document's name in the ZIP: legal, and not one of our own."""
    legal = sanitize_filename(name)
    return f"document_{legal}" if legal.lower() in _OWN_NAMES else legal


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


def escape(text: str) -> str:
    """Text for HTML, without characters that steer a terminal or turn the direction of what is read."""
    return html_escape(re.sub(f"[{CONTROLS}]", "", text))


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
    # A source is cited once in a receipt: with the first clause of its name.
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
