"""What is fuzzed: each takes any bytes and says what became of them; an exception or false assertion is a finding."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from io import StringIO
from typing import Any, Final

import jwt

from rythmiq.contracts.attempt import Dispatch, ProgressBody, WebhookAnswer, WebhookBody
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.keys import InvalidKeyError, parse_key, raw_key, sanitize_filename
from rythmiq.contracts.payload import Payload
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.contracts.result import RESULT, Receipt, Success
from rythmiq.crypto import DecryptionError, open_sealed
from rythmiq.gateway.http import read_event
from rythmiq.gateway.routes import internal
from rythmiq.gateway.tokens import SecretKey, TokenVerifier
from rythmiq_worker.engines.child import OcrEngineError, _page
from rythmiq_worker.launcher.delivery import LaunchLog, WorkerStderr
from rythmiq_worker.launcher.dispatch import Launch, judged, payload_of
from rythmiq_worker.launcher.process import Ended
from rythmiq_worker.pixels import answers as held
from tests.fuzz.seeds import AT, DATA_KEY, ISSUER, JOB, PLAINTEXT, SECRET, STORAGE_KEY, TOKEN, USER, dispatch
from tests.support.memory import FixedClock
from tests.support.web_calls import Seen

Target = Callable[[bytes], str]
MAX_PIXELS: Final = 4_000_000
MAX_CPU_S: Final = 30.0


def keys(data: bytes) -> str:
    """A text is one key and that key is the text, or it is none; and any text becomes a legal name."""
    text = data.decode(errors="surrogateescape")
    name = sanitize_filename(text)
    assert str(parse_key(legal := raw_key(USER, JOB, AT, name))) == legal
    assert sanitize_filename(name) == name
    try:
        key = parse_key(text)
    except InvalidKeyError:
        return "none"
    assert str(key) == text
    assert ".." not in text
    return key.kind


def rqe1(data: bytes) -> str:
    """It is refused, or it is what was sealed: nothing else ever comes out."""
    try:
        opened = open_sealed(data, storage_key=STORAGE_KEY, data_key=DATA_KEY)
    except DecryptionError as error:
        return str(error.reason)
    assert opened == PLAINTEXT
    return "opened"


def events(data: bytes) -> str:
    """Every event becomes a request, whose parts have their types, and can be answered."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        event = data.decode(errors="replace")
    request = read_event(event)
    assert isinstance(request.method, str)
    assert request.path == "" or request.path.startswith("/")
    assert 0 < len(request.request_id) <= 128
    assert request.request_id.isascii()
    assert not (request.is_trigger and isinstance(event, dict) and "http" in event and event["http"] is not None)
    for read in (request.require_size, request.body, request.require_json_type):
        try:
            read()
        except ProblemError:
            continue
    return "trigger" if request.is_trigger else "web"


_VERIFIER = TokenVerifier(issuer=ISSUER, keys=SecretKey(SECRET))


def tokens(data: bytes) -> str:
    """It is the token that was signed, or nobody is let in."""
    text = data.decode("latin-1")
    try:
        caller = _VERIFIER.verify(f"Bearer {text}")
    except ProblemError as error:
        if error.code is not ProblemCode.UNAUTHENTICATED:
            raise
        return "refused"
    assert text.strip().split(".")[:2] == TOKEN.split(".")[:2]
    assert jwt.decode(TOKEN, SECRET, ["HS256"], audience="authenticated")["sub"] == caller.user_id
    return "let in"


class _Reported:
    """Takes what the gateway lets through."""

    def __init__(self) -> None:
        self.taken: list[object] = []

    def receive(self, body: WebhookBody) -> str:
        """Take the end of an attempt."""
        self.taken.append(body)
        return "completed"

    def progress(self, body: ProgressBody) -> bool:
        """Take a stage."""
        self.taken.append(body)
        return True


def webhook(data: bytes) -> str:
    """A body is taken as a whole report, or refused with a problem; there is no third way."""
    reported: Any = _Reported()
    guard = internal.ReportGuard("secret", None, FixedClock(AT))
    function = internal.webhooks(lambda: internal.WebhooksDependencies(guard, reported), tuple)
    body = {"body": base64.b64encode(data).decode(), "isBase64Encoded": True}
    headers = {"x-webhook-secret": "secret", "content-type": "application/json"}
    with redirect_stderr(StringIO()):  # the function's log
        seen = Seen.of(function({"http": {"method": "POST", "path": "/camber", "headers": headers, **body}}))
    assert seen.status in {200, 400, 401, 413, 415, 422}, seen.body
    assert (seen.status == 200) == bool(reported.taken)
    if seen.status == 200:
        WebhookAnswer.model_validate(seen.body)
        json.dumps(reported.taken[0].model_dump(mode="json"), allow_nan=False).encode()
    return str(seen.status)


def launcher(data: bytes) -> str:
    """A hostile worker's STDOUT is this job's valid result or a failure that says why; its STDERR forges no line."""
    lines: list[str] = []
    stderr = WorkerStderr(LaunchLog(Launch(USER, JOB, 1), lines.append), lambda _: None, shows_noise=False)
    stderr.feed(data)
    stderr.end()
    assert all(json.loads(line)["job_id"] == JOB for line in lines)
    order: Dispatch = dispatch()
    result = judged(Ended("itself", 0, data), order, stage=stderr.stage, timeout_s=1.0)
    assert RESULT.validate_json(result.model_dump_json()) == result
    assert result.job_id in {JOB, None}
    if isinstance(result, Success):
        assert result.artifacts.owner(JOB) == (order.user_id, order.document_id)
        return "success"
    return f"failure {(result.error.detail or {}).get('reason')}"


def answers(data: bytes) -> str:
    """What a hostile image process says is an answer within the contract, or it is strange; nothing else happens."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return "no line"
    if not isinstance(message, dict):
        return "no message"
    payload = Payload.model_validate(payload_of(dispatch()))
    readers: dict[str, Callable[[Any], object]] = {
        "made": lambda value: held.made(value, payload),
        "files": lambda _: held.sizes(message),
        "text": held.page_request,
        "failed": lambda value: held.failure(value, "decode"),
        "walls": held.walls,
    }
    said = []
    for name in readers.keys() & message.keys():
        try:
            value = held.reading(readers[name], message[name])
        except held.InvalidAnswerError:
            said.append(f"strange {name}")
            continue
        if isinstance(value, held.Made):
            Receipt.model_validate_json(value.receipt.model_dump_json())
            assert 0 <= value.quality <= 1
        if isinstance(value, JobError):
            assert not [char for char in value.message if not char.isprintable()]
        said.append(name)
    return ", ".join(sorted(said))


def pages(data: bytes) -> str:
    """What a hostile text engine answers is a page's text within its bounds, or it is garbage."""
    try:
        text = _page(data)
    except OcrEngineError as error:
        return str((error.detail or {}).get("reason"))
    return f"{min(len(text.lines), 3)} lines"


def decoded(data: bytes) -> str:
    """A file opens as upright RGB within the limits, or is DECODE_FAILED for a reason; both within seconds."""
    from rythmiq_worker.decode.picture import open_pages  # noqa: PLC0415  the other targets need no pictures

    began_s = time.process_time()
    try:
        opened = open_pages(data, max_pixels=MAX_PIXELS, max_pages=3, first_only=False)
        for page in opened.pages:
            image = page.image()
            assert image.mode == "RGB"
            assert 0 < image.width * image.height <= MAX_PIXELS
        said = f"{len(opened.pages)} pages"
    except JobError as error:
        if error.code is not ErrorCode.DECODE_FAILED or error.detail is None:
            raise
        said = str(error.detail["reason"])
    assert time.process_time() - began_s < MAX_CPU_S
    return said


TEXTS: Final[Mapping[str, Target]] = {
    "keys": keys,
    "rqe1": rqe1,
    "events": events,
    "tokens": tokens,
    "webhook": webhook,
    "launcher": launcher,
    "answers": answers,
    "pages": pages,
}
DECODERS: Final[tuple[str, ...]] = ("avif", "bmp", "gif", "heif", "jpeg", "pdf", "png", "tiff", "webp")
TARGETS: Final[Mapping[str, Target]] = {**TEXTS, **dict.fromkeys(DECODERS, decoded)}
