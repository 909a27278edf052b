"""What the corpus is made of, and what its files are about: one user, one job, one key, one token.

`python -m tests.fuzz.seeds` writes the files that are not there yet; what was found stays.
"""

import datetime as dt
import json
from collections.abc import Iterator

from rythmiq.contracts.attempt import Dispatch
from rythmiq.crypto import seal
from tests.fuzz.mutations import CORPUS

USER = "5f2b7c1e-9d34-4a6b-8c1d-0e2f3a4b5c6d"
JOB = "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d"
DOCUMENT = "2b3c4d5e-6f7a-4b8c-9d0e-1f2a3b4c5d6e"
AT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
STAMP = "20260102T030405Z"
STORAGE_KEY = f"raw/{USER}/{JOB}/{STAMP}_me.jpg.enc"
DATA_KEY = bytes(range(32))
PLAINTEXT = b"a photo"
ISSUER = "https://project.supabase.test/auth/v1"
SECRET = "a secret of at least thirty-two bytes"
# Good until 2126, so that the corpus stays what it is.
TOKEN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJpc3MiOiJodHRwczovL3Byb2plY3Quc3VwYWJhc2UudGVzdC9hdXRoL3YxIiwic3ViIjoiNWYyYjdjMWUtOWQzNC00YTZiLThj"
    "MWQtMGUyZjNhNGI1YzZkIiwiYXVkIjoiYXV0aGVudGljYXRlZCIsInJvbGUiOiJhdXRoZW50aWNhdGVkIiwiZXhwIjo0OTIzMDAwMDAwfQ."
    "kL9ts1vbn4Eye658NxzwDbDLyxWThkVCWyTXEVRJOUc"
)


def success() -> dict[str, object]:
    """A worker's success about JOB."""
    output = f"output/{USER}/{JOB}"
    document = {"filename": "a.jpg", "sha256": "0" * 64, "bytes": 9, "width_px": 4, "height_px": 5, "dpi": 300}
    clause = {"clause": "bytes", "wanted": "10 KB", "measured": "9", "verdict": "pass", "hard": True}
    return {
        "status": "success",
        "job_id": JOB,
        "quality_score": 0.5,
        "warnings": ["BLURRED: hold still."],
        "artifacts": {
            "master_path": f"master/{USER}/{DOCUMENT}/{DOCUMENT}.enc",
            "preview_path": f"{output}/preview.jpg.enc",
            "document_path": f"{output}/{STAMP}_document.jpg.enc",
            "text_path": f"{output}/{STAMP}_text.txt.enc",
        },
        "metrics": {"processing_ms": 9, "stages": [{"stage": "fetch", "wall_ms": 1, "cpu_ms": 1}]},
        "receipt": {
            "portal": "p",
            "slot": None,
            "version": "1",
            "conforms": True,
            "clauses": [clause],
            "document": {**document, "format": "jpeg"},
            "operations": [{"op": "crop", "parameters": {"left": 1.5}}],
        },
    }


def failure() -> dict[str, object]:
    """A worker's failure about JOB."""
    error = {"code": "DECODE_FAILED", "stage": "decode", "message": "no image", "retryable": False}
    return {"status": "failed", "job_id": JOB, "error": {**error, "detail": {"reason": "damaged"}}}


def dispatch() -> Dispatch:
    """The order that a launcher judges by."""
    rules = {"kind": "photo", "target_width": 4, "target_height": 5, "max_kb": 10}
    return Dispatch.model_validate(
        {
            "job_id": JOB,
            "user_id": USER,
            "document_id": DOCUMENT,
            "attempt": 1,
            "dispatched_at": AT.isoformat(),
            "portal_schema": {
                "id": 1,
                "name": "p",
                "portal": "p",
                "slot": "photo",
                "version": "1",
                "schema_definition": rules,
            },
            "input": {"raw_path": STORAGE_KEY, "mime_type": "image/jpeg"},
            "encryption": None,
            "storage": {"bucket": "b", "region": "r", "endpoint": "https://store.test"},
            "callback": {"url": "https://api.test/internal/webhooks/camber", "token": "t"},
        }
    )


def texts() -> Iterator[tuple[str, str, bytes]]:
    """Target, name and content of every seed that is no picture."""
    for name, key in {
        "upload": STORAGE_KEY,
        "order": f"raw/{USER}/{JOB}/dispatch-a1.json.enc",
        "master": f"master/{USER}/{DOCUMENT}/{DOCUMENT}.enc",
        "document": f"output/{USER}/{JOB}/{STAMP}_document.pdf",
        "result": f"output/{USER}/{JOB}/result-a12.json.enc",
        "name": "..\\CON.Übung (1).tar..jpg",
        "scripts": "आधार\u202e\x1b.\ud7ff/..",
    }.items():
        yield "keys", name, key.encode()
    for name, content in {"photo": PLAINTEXT}.items():
        sealed = seal(content, storage_key=STORAGE_KEY, data_key=DATA_KEY, kid=7, wrapped_key=bytes(40))
        yield "rqe1", name, sealed
        yield "rqe1", "service", sealed[:5] + b"\x01" + sealed[6:]
        yield (
            "rqe1",
            "elsewhere",
            seal(content, storage_key=STORAGE_KEY + "x", data_key=DATA_KEY, kid=7, wrapped_key=bytes(40)),
        )
    headers = {"authorization": "Bearer x", "content-type": "application/json; charset=utf-8", "x-request-id": "r-1"}
    web = {"method": "POST", "path": "/a", "queryString": "?a=1&b=%C3%28", "headers": headers, "body": "{}"}
    yield "events", "web", json.dumps({"http": web}).encode()
    yield "events", "base64", json.dumps({"http": {**web, "body": "e30=", "isBase64Encoded": True}}).encode()
    yield "events", "lists", json.dumps({"http": {**web, "headers": {"accept": ["a", "b"]}, "body": None}}).encode()
    yield "events", "trigger", b"{}"
    yield "events", "older", json.dumps({"__ow_method": "get", "__ow_headers": {}, "__ow_path": ""}).encode()
    yield "tokens", "good", TOKEN.encode()
    yield "tokens", "none", b"eyJhbGciOiJub25lIn0." + TOKEN.split(".")[1].encode() + b"."
    for name, result in (("success", success()), ("failure", failure())):
        report = {"job_id": JOB, "attempt": 1, "status": result["status"], "result": result}
        yield "webhook", name, json.dumps(report).encode()
        yield "launcher", name, json.dumps(result).encode()
    made = {
        "quality": 0.5,
        "warnings": [["BLURRED", {"sharpness": 4}]],
        "confidence": None,
        "encodes": 2,
        "document_bytes": 9,
        "receipt": {**success()["receipt"], "slot": "photo"},  # type: ignore[dict-item]  # a document
    }
    sizes = dict.fromkeys(("document", "preview", "before", "text", "master"), 9)
    failed = {"code": "DECODE_FAILED", "message": "no image", "detail": {"reason": "damaged", "page": 1}}
    page = {"width_px": 9, "height_px": 9, "turn": True, "timeout_s": 1.5}
    for name, message in {
        "made": {"made": made},
        "files": {"files": sizes, "pages": 1},
        "text": {"text": page},
        "failed": {"failed": failed},
        "walls": {"walls": ["landlock"]},
    }.items():
        yield "answers", name, json.dumps(message).encode()
    yield "answers", "huge", json.dumps({"made": {**made, "quality": 10**400}}).encode()
    line = ["Asha Rao", 0.9, [[0, 0], [9, 0], [9.5, 9], [0, 9]]]
    turn = [90, "reading", 3, 1.5, 0.5]
    sight = [9, 8.5, 0.0, 0, 0, ["Latin"]]
    for name, page_text in {
        "lines": {"lines": [line, line], "turn": turn, "sight": sight},
        "nothing": {"lines": [], "turn": None, "sight": None},
        "error": {"error": {"reason": "engine", "type": "KeyError", "where": "a.py:1", "message": None}},
        "huge": {"lines": [[*line[:2], [[10**400, 0]] * 4]], "turn": None, "sight": [9, 10**400, 0, 0, 0, []]},
    }.items():
        yield "pages", name, json.dumps(page_text).encode()
    stage = {"event": "stage", "job_id": JOB, "attempt": 1, "stage": "decode", "state": "start"}
    unexpected = {"event": "unexpected", "stage": "ocr", "type": "KeyError", "where": "a.py:1"}
    yield "launcher", "events", "\n".join(map(json.dumps, (stage, unexpected))).encode()


def pictures() -> Iterator[tuple[str, str, bytes]]:
    """Target, name and content of every small picture, in each format and coding."""
    from PIL import Image  # noqa: PLC0415  the other seeds need no pictures

    from tests.data import hostile, hostile_corpus  # noqa: PLC0415  ditto
    from tests.support.uploads import as_pdf, encode, exif  # noqa: PLC0415  ditto

    small = hostile.upright().resize((24, 32), Image.Resampling.BOX)
    animated = {"save_all": True, "append_images": [small.rotate(180)]}
    yield "jpeg", "baseline", encode(small, "JPEG", exif=exif(6))
    yield "jpeg", "progressive", encode(small, "JPEG", progressive=True)
    yield "jpeg", "grey", encode(small.convert("L"), "JPEG")
    yield "jpeg", "cmyk", encode(small.convert("CMYK"), "JPEG")
    yield "png", "rgb", encode(small, "PNG")
    yield "png", "palette", encode(small.quantize(16), "PNG", transparency=3)
    yield "png", "sixteen", encode(small.convert("I;16"), "PNG")
    yield "gif", "still", encode(small, "GIF")
    yield "gif", "animated", encode(small, "GIF", **animated)
    yield "webp", "lossy", encode(small, "WEBP", exif=exif(3))
    yield "webp", "lossless", encode(small, "WEBP", lossless=True)
    yield "webp", "animated", encode(small, "WEBP", **animated)
    yield "bmp", "rgb", encode(small, "BMP")
    yield "bmp", "palette", encode(small.quantize(256), "BMP")
    yield "tiff", "plain", encode(small, "TIFF")
    yield "tiff", "lzw", encode(small, "TIFF", compression="tiff_lzw")
    yield "tiff", "fax", encode(small.convert("1"), "TIFF", compression="group4")
    yield "avif", "still", encode(small, "AVIF", max_threads=1)
    yield "heif", "plain", hostile_corpus.good()["heif"]
    yield "pdf", "scan", as_pdf(encode(small, "JPEG"))
    yield "pdf", "vector", hostile.upload("pdf-vector").data


def main() -> None:
    """Write what is not there."""
    for target, name, content in (*texts(), *pictures()):
        path = CORPUS / target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(content)


if __name__ == "__main__":
    main()
