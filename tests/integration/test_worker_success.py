"""Jobs that succeed: what the worker answers, and what it leaves in the store."""

import hashlib
import io
import json

import pypdfium2
import pytest
from PIL import Image

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.payload import PAYLOAD_VERSION
from rythmiq.crypto import is_sealed, parse_header
from tests.support.worker_run import FLAT, KID, ORIGINAL, STAGES, WRAPPED_KEY, Job
from tests.support.worker_uploads import TEXT, blank, card, encoded

PHOTO = {"kind": "photo", "ocr": "off", "target_width": 350, "target_height": 450, "max_kb": 50, "target_dpi": 200}
PAGES = {"kind": "document", "ocr": "off", "output_format": "pdf", "max_kb": 300}


def opened(data: bytes) -> Image.Image:
    """A picture of a file."""
    return Image.open(io.BytesIO(data))


def test_the_hand_offs_flat_payload_works_word_for_word(plain_job: Job, portrait: bytes) -> None:
    """A presigned artifact_url, no encryption, no field of ours; and the answer has every field of the contract."""
    key = plain_job.upload(portrait)
    plain_job.payload["input"] = {
        "artifact_url": plain_job.store.generate_download_url(key),
        "mime_type": "image/jpeg",
        "original_filename": ORIGINAL,
    }
    assert set(plain_job.payload) == {"job_id", "user_id", "portal_schema", "input", "storage"}
    assert plain_job.payload["portal_schema"]["schema_definition"] == FLAT
    done = plain_job.run()
    answer = done.document
    fields = ["status", "job_id", "quality_score", "warnings", "advice", "artifacts", "hashes", "metrics", "receipt"]
    assert list(answer) == fields
    assert answer["status"] == "success"
    assert answer["job_id"] == plain_job.job_id
    assert 0 <= answer["quality_score"] <= 1
    assert round(answer["quality_score"], 2) == answer["quality_score"]
    prefix = f"output/{plain_job.user_id}/{plain_job.job_id}"
    assert answer["artifacts"] == {
        "master_path": f"master/{plain_job.user_id}/{plain_job.job_id}/{plain_job.job_id}.enc",
        "preview_path": f"{prefix}/preview.jpg",
        "document_path": f"{prefix}/20260102T030405Z_document.jpg",
        "before_path": f"{prefix}/before.jpg",
    }
    metrics = answer["metrics"]
    assert [stage["stage"] for stage in metrics["stages"]] == STAGES
    assert all(set(stage) == {"stage", "wall_ms", "cpu_ms"} for stage in metrics["stages"])
    assert metrics["ocr_confidence"] is None
    assert metrics["input_bytes"] == len(portrait)
    assert metrics["processing_ms"] >= sum(stage["wall_ms"] for stage in metrics["stages"]) - len(STAGES)
    assert 1 <= metrics["encodes"] <= 8
    document = plain_job.fetched(answer["artifacts"]["document_path"])
    assert len(document) == metrics["document_bytes"] <= 100_000
    assert (opened(document).size, opened(document).info["dpi"]) == ((200, 230), (200, 200))
    assert answer["receipt"]["document"]["filename"] == f"{plain_job.job_id}.jpg"
    assert answer["receipt"]["conforms"]
    assert [warning.partition(":")[0] for warning in answer["warnings"]] == ["PLAINTEXT_JOB"]


def test_a_warning_is_said_in_words_and_as_code_in_the_same_order(plain_job: Job) -> None:
    plain_job.rules |= {"kind": "photo", "face": "required"}
    plain_job.upload(blank())
    answer = plain_job.run().document
    codes = [warning.partition(":")[0] for warning in answer["warnings"]]
    assert {"PLAINTEXT_JOB", "FACE_NOT_FOUND"} <= set(codes)
    assert [advice["code"] for advice in answer["advice"]] == codes


def test_a_sealed_photo_is_sealed_wherever_it_goes(sealed_job: Job, portrait: bytes) -> None:
    """Every object is RQE1 with the payload's kid and wrapped key, under its own storage key; the names say `.enc`."""
    sealed_job.rules.clear()
    sealed_job.rules |= PHOTO
    sealed_job.payload["dispatched_at"] = "2026-05-06T07:08:09+05:30"
    sealed_job.upload(portrait)
    success = sealed_job.run().success
    artifacts = success.artifacts
    assert artifacts.document_path.endswith("/20260506T013809Z_document.jpg.enc")
    assert artifacts.preview_path.endswith("/preview.jpg.enc")
    for path in (artifacts.document_path, artifacts.preview_path, artifacts.master_path):
        stored = sealed_job.store.fetch_object(path, max_bytes=10_000_000)
        assert (parse_header(stored).kid, parse_header(stored).wrapped_key) == (KID, WRAPPED_KEY)
        assert opened(sealed_job.fetched(path)).format == "JPEG"
    assert "PLAINTEXT_JOB" not in " ".join(success.warnings)
    assert success.receipt.portal == "NEET"


@pytest.mark.parametrize("with_text", [True, False])
def test_the_result_says_what_hashes_its_artifacts_had_before_they_were_sealed(
    sealed_job: Job, *, with_text: bool
) -> None:
    """So that nobody who can write to the store can put an older one in its place (L4)."""
    sealed_job.rules["ocr"] = "auto" if with_text else "off"
    sealed_job.upload(card() if with_text else blank(300))
    success = sealed_job.run().success
    assert success.hashes is not None
    stated = success.hashes.model_dump(exclude_none=True)
    paths = {name.removesuffix("_path"): path for name, path in success.artifacts.model_dump().items() if path}
    assert ("text" in stated) is with_text
    assert stated == {
        name: hashlib.sha256(sealed_job.fetched(path)).hexdigest() for name, path in paths.items() if name != "before"
    }
    assert stated["document"] == success.receipt.document.sha256


def test_the_preview_is_small_and_the_master_is_the_untouched_scan(sealed_job: Job, portrait: bytes) -> None:
    """Nothing was changed, so the master is the original's own scan without its metadata."""
    sealed_job.rules |= PHOTO | {"target_width": 700, "target_height": 900, "max_kb": 200, "ocr": "off"}
    sealed_job.upload(portrait)
    artifacts = sealed_job.run().success.artifacts
    assert max(opened(sealed_job.fetched(artifacts.preview_path)).size) == 480
    master = sealed_job.fetched(artifacts.master_path)
    assert b"Maker" in portrait
    assert b"Maker" not in master
    assert opened(master).tobytes() == opened(portrait).tobytes()
    assert portrait.endswith(master[-1000:])


def test_a_small_document_is_not_enlarged_for_its_preview(plain_job: Job, portrait: bytes) -> None:
    """200 x 230 stays 200 x 230."""
    plain_job.rules["ocr"] = "off"
    plain_job.upload(portrait)
    success = plain_job.run().success
    assert opened(plain_job.fetched(success.artifacts.preview_path)).size == (200, 230)


def test_the_master_of_a_turned_photo_is_the_upload_as_it_came(plain_job: Job, portrait: bytes) -> None:
    """So every option of a later job refers to it; and the receipt tells of the turn."""
    plain_job.rules |= PHOTO
    plain_job.payload["options"] = {"rotate": 90}
    plain_job.upload(encoded(opened(portrait).transpose(Image.Transpose.ROTATE_90), quality=92))
    success = plain_job.run().success
    assert opened(plain_job.fetched(success.artifacts.master_path)).size == (1200, 900)
    assert success.artifacts.before_path is not None
    before = opened(plain_job.fetched(success.artifacts.before_path))
    assert (max(before.size), before.width > before.height) == (480, True)
    assert "turn" in {operation.op for operation in success.receipt.operations}
    assert "FACE_NOT_FOUND" not in " ".join(success.warnings)


def test_a_page_on_its_head_is_turned_by_its_text_and_read(plain_job: Job, card: bytes) -> None:
    """Document, preview and text are upright, and the receipt says by what."""
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document", "max_width": 1000, "max_height": 1000}
    plain_job.upload(encoded(opened(card).transpose(Image.Transpose.ROTATE_90), quality=92))
    success = plain_job.run().success
    turn = next(operation for operation in success.receipt.operations if operation.op == "turn")
    assert (turn.parameters["degrees_clockwise"], turn.parameters["decided_by"]) == (90, "reading")
    width, height = opened(plain_job.fetched(success.artifacts.document_path)).size
    assert width > height
    assert success.artifacts.text_path is not None
    assert plain_job.fetched(success.artifacts.text_path).decode().splitlines()[0].split() == TEXT[0].split()


@pytest.mark.parametrize(
    ("rules", "options"),
    [({"enhance": "off"}, {}), ({}, {"rotate": 180}), ({}, {"crop": {"x": 0, "y": 0, "width": 1, "height": 1}})],
    ids=["enhance off", "the owner turned it", "the owner cropped it"],
)
def test_a_page_stays_as_its_owner_or_its_slot_wants_it(
    plain_job: Job, card: bytes, rules: dict[str, str], options: dict[str, object]
) -> None:
    """Nobody's wish is overruled by what can be read."""
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document", "max_width": 1000, "max_height": 1000, **rules}
    plain_job.payload["options"] = options
    plain_job.upload(encoded(opened(card).transpose(Image.Transpose.ROTATE_90), quality=92))
    success = plain_job.run().success
    turns = [operation.parameters for operation in success.receipt.operations if operation.op == "turn"]
    assert turns == ([{"degrees_clockwise": 180}] if "rotate" in options else [])


def test_a_page_is_read_and_its_text_stored_line_by_line(sealed_job: Job, card: bytes) -> None:
    """Reading order, UTF-8, LF; and none of it on STDOUT or in the log."""
    sealed_job.rules.clear()
    sealed_job.rules |= {"kind": "document", "max_kb": 200, "max_width": 1000, "max_height": 1000}
    sealed_job.payload["input"]["original_filename"] = None
    sealed_job.upload(card)
    done = sealed_job.run()
    artifacts = done.success.artifacts
    assert artifacts.text_path is not None
    assert artifacts.text_path.endswith("/20260102T030405Z_text.txt.enc")
    text = sealed_job.fetched(artifacts.text_path).decode()
    assert text.replace(" ", "") == "".join(f"{line}\n" for line in TEXT).replace(" ", "")
    assert not [word for line in TEXT for word in line.split() if len(word) > 4 and word in done.stdout + done.stderr]
    confidence = done.success.metrics.ocr_confidence
    assert confidence is not None
    assert 0.8 < confidence <= 1
    legibility = next(clause for clause in done.success.receipt.clauses if clause.clause == "legibility")
    assert legibility.verdict == "pass"


def test_what_the_owner_cut_off_is_not_read(plain_job: Job, card: bytes) -> None:
    """A crop to the upper half leaves two lines."""
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document", "max_kb": 200, "enhance": "off"}
    plain_job.payload["options"] = {"crop": {"x": 0, "y": 0, "width": 1, "height": 0.45}}
    plain_job.upload(card)
    artifacts = plain_job.run().success.artifacts
    assert artifacts.text_path is not None
    assert len(plain_job.fetched(artifacts.text_path).decode().splitlines()) == 2


def test_a_page_without_text_has_no_text_artifact(plain_job: Job) -> None:
    """And a warning says so."""
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document", "max_kb": 200}
    plain_job.upload(encoded(Image.linear_gradient("L").resize((600, 800)), quality=90))
    success = plain_job.run().success
    assert success.artifacts.text_path is None
    assert success.metrics.ocr_confidence is None
    assert "NO_TEXT" in " ".join(success.warnings)


def test_pages_go_in_and_a_pdf_comes_out(sealed_job: Job, card: bytes) -> None:
    """All pages in the document and in the master; the preview shows the first."""
    sealed_job.rules.clear()
    sealed_job.rules |= PAGES
    pages = [opened(card), opened(card).rotate(180), opened(card)]
    sealed_job.upload(encoded(pages[0], "PDF", save_all=True, append_images=pages[1:]))
    success = sealed_job.run().success
    for path in (success.artifacts.document_path, success.artifacts.master_path):
        with pypdfium2.PdfDocument(sealed_job.fetched(path)) as pdf:
            assert len(pdf) == 3
    assert success.receipt.document.pages == 3
    assert success.receipt.document.format == "pdf"
    assert success.artifacts.document_path.endswith("_document.pdf.enc")
    assert max(opened(sealed_job.fetched(success.artifacts.preview_path)).size) == 480


def test_a_raster_slot_takes_the_first_page_and_says_so(plain_job: Job, card: bytes) -> None:
    """PAGES_DROPPED."""
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document", "ocr": "off", "output_format": "png", "max_kb": 900}
    plain_job.upload(encoded(opened(card), "PDF", save_all=True, append_images=[opened(card)]))
    success = plain_job.run().success
    assert "PAGES_DROPPED" in " ".join(success.warnings)
    assert opened(plain_job.fetched(success.artifacts.document_path)).format == "PNG"
    assert opened(plain_job.fetched(success.artifacts.master_path)).format == "JPEG"


def test_the_same_payload_twice_writes_the_same_plaintext(sealed_job: Job, card: bytes) -> None:
    """Document, preview, before, text and master, byte for byte; and the same receipt."""
    sealed_job.rules.clear()
    sealed_job.rules |= {"kind": "document", "max_kb": 60}
    sealed_job.upload(card)
    first = sealed_job.run().success
    paths = [path for path in first.artifacts.model_dump().values() if path is not None]
    before = [sealed_job.fetched(path) for path in paths]
    second = sealed_job.run().success
    assert second.artifacts == first.artifacts
    assert second.receipt == first.receipt
    assert [sealed_job.fetched(path) for path in paths] == before
    assert len(paths) == 5


def test_a_master_serves_a_second_portal(store: SpacesStore, portrait: bytes) -> None:
    """Under a data key of its own job, with the master's key for the input."""
    first = Job(store)
    first.rules["ocr"] = "off"
    first.upload(portrait)
    master = first.run().success.artifacts.master_path
    second = Job(store, user_id=first.user_id)
    second.rules |= PHOTO
    second.payload["input"] = {"raw_path": master}
    second.payload["encryption"] |= {"input_data_key": second.payload["encryption"]["data_key"]}
    second.payload["encryption"]["data_key"] = "/" * 43 + "="  # another 32 bytes
    second.payload["document_id"] = first.job_id
    success = second.run().success
    assert success.artifacts.master_path == master
    assert is_sealed(store.fetch_object(success.artifacts.document_path, max_bytes=1_000_000))


def test_a_foreign_file_becomes_a_sealed_job(sealed_job: Job, portrait: bytes) -> None:
    """From an origin that the operator lists, it is plaintext; what the worker writes is sealed all the same."""
    foreign = Job(sealed_job.store, sealed=False)
    url = sealed_job.store.generate_download_url(foreign.upload(portrait))
    port = url.split("/")[2].partition(":")[2]
    sealed_job.rules["ocr"] = "off"
    sealed_job.payload["input"] = {"artifact_url": url.replace("127.0.0.1", "localhost")}
    refused = sealed_job.run().error
    assert (refused.code, refused.detail) == ("FETCH_FAILED", {"reason": "origin", "transient": False})
    # The guard checks the signed host, so a signature for 127.0.0.1 does not hold for localhost: sign for that.
    config = sealed_job.store.config
    signed = SpacesStore(
        type(config)(f"http://localhost:{port}", config.region, config.bucket, config.access_key, config.secret_key)
    ).generate_download_url(foreign.key())
    sealed_job.payload["input"] = {"artifact_url": signed}
    success = sealed_job.run(environ={"ARTIFACT_URL_ALLOWED_ORIGINS": f"http://localhost:{port}"}).success
    assert opened(sealed_job.fetched(success.artifacts.document_path)).size == (200, 230)
    assert not [warning for warning in success.warnings if warning.startswith("PLAINTEXT_JOB")]


@pytest.mark.parametrize("days", [0, 1])
def test_rules_past_their_date_warn_by_the_jobs_own_clock(plain_job: Job, portrait: bytes, days: int) -> None:
    """The day of the dispatch counts, not today: a repeat gives the same answer."""
    plain_job.rules |= {"ocr": "off", "valid_to": "2026-05-05"}
    plain_job.payload["dispatched_at"] = f"2026-05-0{5 + days}T00:00:00Z"
    plain_job.upload(portrait)
    warnings = " ".join(plain_job.run().success.warnings)
    assert ("PORTAL_RULES_OLD" in warnings) is bool(days)


def test_fields_that_this_worker_does_not_know_are_ignored(plain_job: Job, portrait: bytes) -> None:
    """A newer API says by `v` what a worker must know, and only that."""
    plain_job.rules["ocr"] = "off"
    plain_job.payload |= {"v": PAYLOAD_VERSION, "callback": {"url": "https://example.com", "token": "t"}, "attempt": 3}
    plain_job.upload(portrait)
    done = plain_job.run()
    assert done.success.job_id == plain_job.job_id
    assert {event["attempt"] for event in done.events} == {3}
    assert {event["job_id"] for event in done.events} == {plain_job.job_id}


def test_the_users_file_name_appears_only_in_the_documents_own(plain_job: Job, portrait: bytes) -> None:
    """When the portal's pattern asks for it."""
    plain_job.rules |= {"ocr": "off", "filename_pattern": "{portal}_{original}"}
    plain_job.payload["input"]["original_filename"] = "Asha photo.HEIC"
    plain_job.upload(portrait)
    done = plain_job.run()
    assert done.success.receipt.document.filename == "NEET_Asha_photo.jpg"
    rest = json.dumps({name: value for name, value in done.document.items() if name != "receipt"})
    assert "Asha" not in rest + done.stderr
