"""The output: a ZIP with the document, its receipt in two forms, and the text; equal inputs give equal bytes.

The document is checked against its receipt before it goes in, so that what a portal is sent is what was proved.

Source: docs/specification/executors.md, docs/specification/storage-keys.md.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping

from rythmiq.contracts.errors import ObjectMissingError, RythmiqError, StoreError
from rythmiq.contracts.keys import SEALED_TYPE, output_key, sanitize_filename, zip_name
from rythmiq.contracts.result import Artifacts, Success
from rythmiq.crypto.key_ring import DataKey
from rythmiq.crypto.rqe1 import OVERHEAD_BYTES, DecryptionError, open_sealed, seal
from rythmiq.deadline import Deadline
from rythmiq.log import log
from rythmiq.ports.jobs import SettlingJob
from rythmiq.ports.store import ObjectStore
from rythmiq.services.receipt_page import receipt_page

MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
"""Packing holds it three times in memory at most, in a function that has 256 MB."""
_MAX_PREVIEW_BYTES = 4 * 1024 * 1024
_MAX_TEXT_BYTES = 4 * 1024 * 1024
_OWN_NAMES = frozenset({"receipt.json", "receipt.html", "text.txt"})
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX, _READABLE = 3, 0o100644 << 16


class PackagingError(RythmiqError):
    """The ZIP cannot be built or stored now. The message holds no key, name or URL."""


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

    def pack(self, job: SettlingJob, success: Success) -> str:
        """Store the ZIP; its storage key, which is the same for every repeat.

        Raises:
            PackagingError: an object is missing, does not open or does not match its receipt, or the store fails.
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
        return key

    def _files(self, success: Success) -> dict[str, bytes]:
        receipt, artifacts = success.receipt, success.artifacts
        if not 0 < receipt.document.bytes <= MAX_DOCUMENT_BYTES:
            raise PackagingError("the document is too large for a ZIP")
        document = self._opened(artifacts.document_path, receipt.document.bytes)
        if hashlib.sha256(document).hexdigest() != receipt.document.sha256:
            raise PackagingError("the document is not the one that the receipt speaks of")
        preview = self._opened(artifacts.preview_path, _MAX_PREVIEW_BYTES)
        page = receipt_page(receipt, before=self._before(artifacts), after=preview, warnings=success.warnings)
        files = {
            document_filename(receipt.document.filename): document,
            "receipt.json": receipt.model_dump_json(indent=2).encode(),
            "receipt.html": page.encode(),
        }
        if artifacts.text_path is not None:
            files["text.txt"] = self._opened(artifacts.text_path, _MAX_TEXT_BYTES)
        return files

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
