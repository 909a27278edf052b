"""The ZIP: equal inputs give equal bytes, and no name leads anywhere."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rythmiq.clock import Deadline
from rythmiq.contracts.keys import parse_key
from rythmiq.contracts.result import Artifacts, DocumentFacts, Metrics, Receipt, Success
from rythmiq.crypto import open_sealed, seal
from rythmiq.crypto.key_ring import DataKey, KeyRing
from rythmiq.ports.jobs import SettlingJob
from rythmiq.services.output import PackagingError, Packer, document_filename, zip_bytes
from tests.support.memory import FixedClock, MemoryStore

USER, JOB, DOC = (f"{n}{n}{n}{n}{n}{n}{n}{n}-0000-4000-8000-000000000000" for n in "123")
DOCUMENT = b"%PDF-1.7 a document"
PATHS = Artifacts(
    document_path=f"output/{USER}/{JOB}/20261123T120000Z_document.pdf.enc",
    preview_path=f"output/{USER}/{JOB}/preview.jpg.enc",
    text_path=f"output/{USER}/{JOB}/20261123T120000Z_text.txt.enc",
    master_path=f"master/{USER}/{DOC}/{DOC}.enc",
)
NAMES = st.text(min_size=1, max_size=40)


def job(key: DataKey | None) -> SettlingJob:
    at = FixedClock().now()
    return SettlingJob(
        job_id=JOB,
        user_id=USER,
        attempt=1,
        document_id=DOC,
        created_at=at,
        dispatched_at=at,
        portal="college-generic",
        slot="document",
        kid=key.kid if key else None,
        wrapped_key=key.wrapped_key_text if key else None,
        packaging_failures=0,
    )


def success(**facts: object) -> Success:
    document = {
        "filename": "marks.pdf",
        "sha256": hashlib.sha256(DOCUMENT).hexdigest(),
        "bytes": len(DOCUMENT),
        "width_px": 0,
        "height_px": 0,
        "dpi": None,
        "format": "pdf",
        **facts,
    }
    receipt = Receipt(
        portal="college-generic",
        slot="document",
        version="1",
        conforms=True,
        clauses=(),
        document=DocumentFacts.model_validate(document),
    )
    metrics = Metrics(processing_ms=1, stages=())
    return Success(job_id=JOB, quality_score=1, artifacts=PATHS, metrics=metrics, receipt=receipt)


def stored(key: DataKey) -> MemoryStore:
    store = MemoryStore()
    for path, content in ((PATHS.document_path, DOCUMENT), (PATHS.preview_path, b"preview"), (PATHS.text_path, b"a\n")):
        assert path is not None
        store.objects[path] = seal(
            content, storage_key=path, data_key=key.data_key, kid=key.kid, wrapped_key=key.wrapped_key
        )
    return store


def key() -> DataKey:
    return KeyRing.parse(KeyRing.new_entry(1)).mint(USER)


def pack(store: MemoryStore, data_key: DataKey, what: Success, timeout_s: float = 9) -> str:
    return Packer(store, data_key, Deadline.after(timeout_s, FixedClock().monotonic_s)).pack(job(data_key), what).path


@given(st.dictionaries(NAMES.map(document_filename), st.binary(max_size=200), min_size=1, max_size=5))
def test_a_zip_depends_on_its_files_alone_and_gives_them_back(files: Mapping[str, bytes]) -> None:
    """Whatever the order they come in; stored, sorted, without a time."""
    data = zip_bytes(files)
    assert data == zip_bytes(dict(reversed(list(files.items()))))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
        assert {entry.filename: archive.read(entry) for entry in entries} == files
    assert [entry.filename for entry in entries] == sorted(files)
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}


@given(st.one_of(NAMES, st.sampled_from(["../../etc/passwd", "C:\\a.jpg", "receipt.json", "RECEIPT.HTML", "text.txt"])))
def test_no_document_is_called_what_leads_elsewhere_or_what_we_call_our_own(name: str) -> None:
    """The name came with a report."""
    legal = document_filename(name)
    assert not set(legal) & set("/\\\0")
    assert legal not in {"", ".", ".."}
    assert legal.lower() not in {"receipt.json", "receipt.html", "text.txt"}


def test_packing_again_gives_the_same_place_and_the_same_plaintext() -> None:
    """The sealed bytes differ, as they must."""
    data_key = key()
    store = stored(data_key)
    what = success()
    first = pack(store, data_key, what)
    sealed = store.objects[first]
    assert pack(store, data_key, what) == first
    assert store.objects[first] != sealed
    opened = [
        open_sealed(data, storage_key=first, data_key=data_key.data_key) for data in (sealed, store.objects[first])
    ]
    assert opened[0] == opened[1]
    assert str(parse_key(first)) == f"output/{USER}/{JOB}/20261123T120000Z_output.zip.enc"


def test_the_page_shows_the_preview_as_what_came_out() -> None:
    """Inline, so that the ZIP needs nothing else."""
    data_key = key()
    store = stored(data_key)
    place = pack(store, data_key, success())
    data = open_sealed(store.objects[place], storage_key=place, data_key=data_key.data_key)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert base64.b64encode(b"preview") in archive.read("receipt.html")
        assert (
            Receipt.model_validate_json(archive.read("receipt.json")).document.sha256
            == hashlib.sha256(DOCUMENT).hexdigest()
        )


@pytest.mark.parametrize("facts", [{"sha256": "0" * 64}, {"bytes": 0}, {"bytes": 33 * 1024 * 1024}])
def test_a_receipt_that_does_not_speak_of_the_document_is_refused(facts: dict[str, object]) -> None:
    """And nothing is written."""
    data_key = key()
    store = stored(data_key)
    with pytest.raises(PackagingError):
        pack(store, data_key, success(**facts))
    assert "upload" not in {call for call, _ in store.calls}


def test_packing_ends_when_its_time_is_up() -> None:
    """Before the caller's own time is."""
    data_key = key()
    with pytest.raises(PackagingError, match="time is up"):
        pack(stored(data_key), data_key, success(), timeout_s=0)
