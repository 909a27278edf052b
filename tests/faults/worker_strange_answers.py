"""An image process that answers what it may not; which answer, the upload's file name says."""

import os
from typing import NoReturn

from tests.faults.in_image_process import run_after, run_worker_with

STRANGER = "99999999-9999-4999-8999-999999999999"
MADE = (
    b'{"made":{"quality":0.5,"warnings":[],"confidence":null,"encodes":1,"document_bytes":1,"receipt":{"portal":"%s",'
    b'"slot":null,"version":"2026.1","conforms":true,"clauses":[],"document":{"filename":"%s","sha256":"%s","bytes":1,'
    b'"width_px":1,"height_px":1,"dpi":null,"format":"jpeg"}}}}\n'
)
STAGES = b"".join(
    b'{"event":"stage","stage":"%s","state":"%s"}\n' % (stage, state)
    for stage in (b"decode", b"quality", b"enhance", b"ocr", b"schema")
    for state in (b"start", b"end")
).partition(b"\n")[2]  # it is in decode already
X_SHA = b"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
FILES = b'{"files":{"document":%d,"preview":1,"before":1,"text":0,"master":1},"pages":1}\n'
ANSWERS = {
    "no-json": b"\xff\xfe{\n",
    "not-a-number": b'{"failed":{"code":"DECODE_FAILED","message":"m","detail":{"a":NaN}}}\n',
    "twice-the-same-name": b'{"failed":{"code":"DECODE_FAILED"},"failed":{}}\n',
    "endless-line": b"[" * 600_000,
    "nothing-known": b'{"hello":1}\n',
    "failure-of-another": b'{"failed":{"code":"EXECUTOR_REJECTED","message":"m","detail":null}}\n',
    "failure-of-fetch": b'{"failed":{"code":"FETCH_FAILED","message":"m","detail":{"transient":true}}}\n',
    "deep-detail": b'{"failed":{"code":"DECODE_FAILED","message":"m","detail":{"a":{"b":1}}}}\n',
    "stage-out-of-order": b'{"event":"stage","stage":"upload","state":"start"}\n',
    "stage-again": b'{"event":"stage","stage":"decode","state":"start"}\n',
    "forged-event": b'{"event":"attempt_settled","job_id":"%s"}\n' % STRANGER.encode(),
    "unexpected-of-another": b'{"event":"unexpected","type":"E","where":null,"job_id":"%s"}\n' % STRANGER.encode(),
    "made-too-early": MADE % (b"NEET", b"a.jpg", X_SHA),
    "text-out-of-stage": b'{"text":{"width_px":1,"height_px":1,"turn":false,"timeout_s":1.0}}\n',
    "another-portal": STAGES + MADE % (b"other", b"a.jpg", X_SHA),
    "path-as-name": STAGES + MADE % (b"NEET", b"../a.jpg", X_SHA),
    "no-hash": STAGES + MADE % (b"NEET", b"a.jpg", b"0"),
    "another-document": STAGES + MADE % (b"NEET", b"a.jpg", b"0" * 64) + FILES % 1,
    "more-than-there-is": STAGES + MADE % (b"NEET", b"a.jpg", X_SHA) + FILES % 1_000_000,
    "more-than-it-may": STAGES + MADE % (b"NEET", b"a.jpg", X_SHA) + FILES % (1 << 40),
}


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""
    saying, made = int(arguments[1]), int(arguments[4])

    def change() -> None:
        from rythmiq_worker.job import Context, Upload
        from rythmiq_worker.stages import decode

        def strange(_upload: Upload, ctx: Context) -> None:
            os.write(made, b"xxxx")
            os.write(saying, ANSWERS[ctx.payload.input.original_filename or ""])
            os.read(int(arguments[0]), 1)  # until the worker ends it

        vars(decode)["decode"] = strange

    run_after(change, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
