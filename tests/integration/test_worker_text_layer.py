"""A searchable PDF from upload to document: its text is what was read, over the ink that it was read from."""

import io
import uuid
from typing import Any

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageDraw, ImageFont

from rythmiq.contracts.keys import raw_key
from tests.data.turned_pages import bilingual, one_line
from tests.support.tessdata import needs_hindi
from tests.support.worker_run import UPLOADED_AT, Done, Job

RULES: dict[str, Any] = {"kind": "document", "formats": ["pdf"], "text_layer": "allowed"}
LINES = ("Certificate of the second term", "Roll number 2231", "Passed in the first division", "Delhi, 14 March 2026")


def letter() -> Image.Image:
    image = Image.new("RGB", (900, 600), "white")
    for row, text in enumerate(LINES):
        ImageDraw.Draw(image).text((80, 80 + 110 * row), text, font=ImageFont.load_default(40), fill=(20, 20, 30))
    return image


def png_of(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def ran(job: Job, *pages: Image.Image, options: dict[str, Any] | None = None, **rules: Any) -> Done:
    """Run a job of these pages, an upload each, whose owner wants to search the PDF."""
    job.rules.clear()
    job.rules |= RULES | rules
    job.payload["options"] = {"text_layer": True} | (options or {})
    job.payload["v"] = 2
    if len(pages) == 1:
        job.upload(png_of(pages[0]))
        return job.run()
    ids = [job.job_id, *(str(uuid.uuid4()) for _ in pages[1:])]
    keys = [raw_key(job.user_id, one, UPLOADED_AT, f"{index}.png") for index, one in enumerate(ids)]
    for key, page in zip(keys, pages, strict=True):
        job.upload(png_of(page), key=key)
    job.payload["input"] = {"raw_paths": keys, "mime_type": "image/png", "original_filename": "pages.png"}
    return job.run()


def document_of(job: Job, done: Done) -> bytes:
    return job.fetched(done.success.artifacts.document_path)


def searched(document: bytes) -> list[str]:
    """Every line that a reader finds, page by page."""
    with pypdfium2.PdfDocument(document) as pdf:
        return [line.strip() for page in pdf for line in page.get_textpage().get_text_range().splitlines()]


def read_by(job: Job, done: Done) -> list[str]:
    return job.fetched(done.success.artifacts.text_path or "").decode().splitlines()


def ink_under_text(document: bytes) -> tuple[float, float]:
    """How much of the first page's ink lies where a reader marks letters, and how much of the page is marked."""
    with pypdfium2.PdfDocument(document) as pdf:
        page, scale = pdf[0], 2.0
        ink = np.asarray(page.render(scale=scale).to_pil().convert("L")) < 128
        marked = np.zeros_like(ink)
        found = page.get_textpage()
        for index in range(found.count_chars()):
            left, bottom, right, top = (value * scale for value in found.get_charbox(index))
            high = page.get_height() * scale
            marked[max(0, int(high - top)) : int(high - bottom) + 1, max(0, int(left)) : int(right) + 1] = True
    return float(ink[marked].sum() / ink.sum()), float(marked.mean())


@pytest.mark.parametrize("degrees", [0, *(pytest.param(degrees, marks=pytest.mark.pixels) for degrees in (90, 180))])
def test_the_text_lies_over_its_ink_however_the_page_was_sent(plain_job: Job, degrees: int) -> None:
    done = ran(plain_job, letter().rotate(degrees, expand=True))
    document = document_of(plain_job, done)
    assert searched(document) == read_by(plain_job, done) == list(LINES)
    covered, marked = ink_under_text(document)
    assert covered > 0.97
    assert marked < 0.35


def test_the_text_of_a_page_that_leans_lies_over_its_ink(plain_job: Job) -> None:
    leaning = letter().rotate(-4, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
    done = ran(plain_job, leaning, enhance="off")
    document = document_of(plain_job, done)
    assert searched(document) == read_by(plain_job, done) == list(LINES)
    assert ink_under_text(document)[0] > 0.95


def test_the_owners_crop_moves_the_text_with_the_page(plain_job: Job) -> None:
    done = ran(plain_job, letter(), options={"crop": {"x": 0.05, "y": 0.28, "width": 0.9, "height": 0.38}})
    document = document_of(plain_job, done)
    assert searched(document) == list(LINES[1:3])
    assert ink_under_text(document)[0] > 0.97


@needs_hindi
@pytest.mark.parametrize("language", [None, "hi"])
def test_hindi_is_found_by_the_code_points_that_were_read(plain_job: Job, language: str | None) -> None:
    rules: dict[str, Any] = {} if language is None else {"ocr_language": language}
    done = ran(plain_job, bilingual(1), **rules)
    document = document_of(plain_job, done)
    lines = read_by(plain_job, done)
    assert any("\u0900" <= letter <= "\u097f" for line in lines for letter in line)
    assert searched(document) == lines
    assert ink_under_text(document)[0] > 0.95


def test_each_page_of_several_uploads_has_its_own_text(plain_job: Job) -> None:
    done = ran(plain_job, letter(), one_line(5000), letter())
    read = read_by(plain_job, done)
    assert searched(document_of(plain_job, done)) == read
    assert read[: len(LINES)] == read[-len(LINES) :] == list(LINES)
    [operation] = [op for op in done.success.receipt.operations if op.op == "text_layer"]
    assert operation.parameters == {"lines": len(read), "pages": 3, "by": "owner"}


def test_a_slot_that_reads_no_text_reads_it_for_the_layer(plain_job: Job) -> None:
    done = ran(plain_job, letter(), ocr="off")
    assert searched(document_of(plain_job, done)) == list(LINES)
    assert not {"legibility", "completeness"} & {clause.clause for clause in done.success.receipt.clauses}


def test_without_the_option_there_is_no_text_in_the_pdf(plain_job: Job) -> None:
    done = ran(plain_job, letter(), options={"text_layer": False})
    assert searched(document_of(plain_job, done)) == []
    assert read_by(plain_job, done) == list(LINES)


def test_text_that_does_not_fit_is_left_out_and_told(plain_job: Job) -> None:
    done = ran(plain_job, letter(), max_kb=8)
    assert "TEXT_LAYER_DROPPED" in [advice.code for advice in done.success.advice]
    assert searched(document_of(plain_job, done)) == []
    assert read_by(plain_job, done) == list(LINES)


@pytest.mark.parametrize("rules", [{"text_layer": "forbidden"}, {"formats": ["jpeg"]}, {"kind": "signature"}])
def test_a_slot_that_does_not_allow_it_refuses_the_job(plain_job: Job, rules: dict[str, Any]) -> None:
    done = ran(plain_job, letter(), **rules)
    assert done.error.code == "PAYLOAD_INVALID"
    assert "/options/text_layer" in done.error.message
