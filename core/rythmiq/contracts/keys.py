"""The one validator of storage keys: a closed grammar, built and parsed here and nowhere else.

::

    raw/{user_id}/{job_id}/{timestamp}_{filename}.enc       raw/{user_id}/{job_id}/dispatch-a{n}.json.enc
    master/{user_id}/{document_id}/{document_id}.enc
    output/{user_id}/{job_id}/{name}

The service's own names carry no timestamp and a user's always do, so that no upload can produce one of them.

Source: docs/specification/storage-keys.md.
"""

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

MAX_KEY_BYTES = 1024
MAX_FILENAME_CHARS = 128
MAX_ATTEMPTS = 1_000
SEALED_TYPE = "application/octet-stream"
"""The media type of every sealed object."""
MOST_DELETED = 1000
"""How many objects a store deletes in one call (S3's DeleteObjects)."""
LAUNCH_GRAMMAR = r"[A-Za-z0-9_./= -]+"
"""Characters of a launcher's command line: Camber expands `$` in commands, and shows commands to others."""

CONTROLS = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""For a character class: C0 and C1, which steer terminals, and bidi controls, which make a name look like another."""

UUID4_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_UUID4 = UUID4_PATTERN.strip("^$")
_FILENAME = r"[A-Za-z0-9_-](?:(?!\.\.)[A-Za-z0-9._-]){0,127}(?<!\.)"  # no `..`, with the key's own dot after it, too
_TIMESTAMP = r"[0-9]{8}T(?:[01][0-9]|2[0-3])[0-9]{4}Z"  # 24:00 is an instant to newer Pythons alone
_ATTEMPT = r"[1-9][0-9]{0,3}"
_DEVICE = (
    r"(?:CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(?:\.|$)"  # with any extension; no file can have such a name on Windows
)

# Compiled by `re` at their first use, and kept there: a function uses one or two of them.
_RAW = (
    rf"raw/(?P<user>{_UUID4})/(?P<job>{_UUID4})/"
    rf"(?:(?P<at>{_TIMESTAMP})_(?P<filename>{_FILENAME})\.enc|dispatch-a(?P<attempt>{_ATTEMPT})\.json\.enc)"
)
_MASTER = rf"master/(?P<user>{_UUID4})/(?P<document>{_UUID4})/(?P=document)\.enc"
_OUTPUT = rf"output/(?P<user>{_UUID4})/(?P<job>{_UUID4})/(?P<name>[^/]+)"
_OUTPUT_NAME = (
    rf"(?:(?P<at>{_TIMESTAMP})_(?P<stamped>output\.zip|document\.(?:jpg|png|pdf)|text\.txt)|(?:preview|before)\.jpg)"
    rf"(?:\.enc)?|result-a(?P<attempt>{_ATTEMPT})\.json\.enc"
)

Artifact = Literal["zip", "document", "text", "preview", "before", "result"]
_STAMPED_ARTIFACTS: Final[dict[str, Artifact]] = {"output": "zip", "document": "document", "text": "text"}


class InvalidKeyError(ValueError):
    """A text is not a storage key, or a part cannot be part of one."""


@dataclass(frozen=True, slots=True)
class RawKey:
    """An upload (`at` and `filename`) or the service's dispatch object of one attempt (`attempt`).

    Raises:
        InvalidKeyError: a part is not legal, or it is neither an upload nor a dispatch object, or both.
    """

    kind: ClassVar[Literal["raw"]] = "raw"
    user_id: str
    job_id: str
    at: dt.datetime | None = None
    filename: str | None = None
    attempt: int | None = None

    def __post_init__(self) -> None:
        if {self.at is None, self.filename is None} != {self.attempt is not None}:
            raise InvalidKeyError("a raw/ key is an upload's or a dispatch object's")
        if self.at is not None and self.at.tzinfo is not dt.UTC:
            format_timestamp(self.at)  # refuses an instant without a zone, or out of range
        name, pattern = (self.filename, _FILENAME) if self.attempt is None else (str(self.attempt), _ATTEMPT)
        legal = (
            re.fullmatch(_UUID4, self.user_id),
            re.fullmatch(_UUID4, self.job_id),
            re.fullmatch(pattern, name or ""),
        )
        if not all(legal) or (self.at is not None and self.at.microsecond):
            raise InvalidKeyError("not the parts of a raw/ key")

    @property
    def is_dispatch(self) -> bool:
        """Return whether the service wrote it, not a user."""
        return self.attempt is not None

    def __str__(self) -> str:
        """The key's text."""
        if self.attempt is not None:
            return f"raw/{self.user_id}/{self.job_id}/dispatch-a{self.attempt}.json.enc"
        stamp = format_timestamp(self.at) if self.at is not None else ""
        return f"raw/{self.user_id}/{self.job_id}/{stamp}_{self.filename}.enc"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The canonical scan of a document.

    Raises:
        InvalidKeyError: a part is not legal.
    """

    kind: ClassVar[Literal["master"]] = "master"
    user_id: str
    document_id: str

    def __post_init__(self) -> None:
        if not re.fullmatch(_MASTER, str(self)):
            raise InvalidKeyError("not the parts of a master/ key")

    def __str__(self) -> str:
        """The key's text."""
        return f"master/{self.user_id}/{self.document_id}/{self.document_id}.enc"


@dataclass(frozen=True, slots=True)
class OutputKey:
    """Something that the worker or the API made of a job.

    Raises:
        InvalidKeyError: a part is not legal.
    """

    kind: ClassVar[Literal["output"]] = "output"
    user_id: str
    job_id: str
    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(_OUTPUT, str(self)):
            raise InvalidKeyError("not the parts of an output/ key")
        if (stamp := self._part("at")) is not None:
            parse_timestamp(stamp)

    @property
    def artifact(self) -> Artifact:
        """Return the kind of the object."""
        if (stamped := self._part("stamped")) is not None:
            return _STAMPED_ARTIFACTS[stamped.partition(".")[0]]
        if self.attempt is not None:
            return "result"
        return "before" if self.name.startswith("before.") else "preview"

    @property
    def at(self) -> dt.datetime | None:
        """The instant in the name of a ZIP, document or text."""
        stamp = self._part("at")
        return None if stamp is None else parse_timestamp(stamp)

    @property
    def attempt(self) -> int | None:
        """The attempt whose result it is."""
        attempt = self._part("attempt")
        return None if attempt is None else int(attempt)

    @property
    def sealed(self) -> bool:
        """Return whether the name marks the object as encrypted."""
        return self.name.endswith(".enc")

    def _part(self, group: str) -> str | None:
        match = re.fullmatch(_OUTPUT_NAME, self.name)
        if match is None:
            raise InvalidKeyError("not the name of an output")
        return match[group]

    def __str__(self) -> str:
        """The key's text."""
        return f"output/{self.user_id}/{self.job_id}/{self.name}"


StorageKey = RawKey | MasterKey | OutputKey


def format_timestamp(at: dt.datetime) -> str:
    """Write an instant as `YYYYMMDDTHHMMSSZ`.

    Raises:
        InvalidKeyError: `at` has no time zone, or a year that four digits do not hold.
    """
    if at.utcoffset() is None:
        raise InvalidKeyError("a timestamp needs a time zone")
    try:
        utc = at.astimezone(dt.UTC)
    except OverflowError:
        raise InvalidKeyError("a timestamp is out of range") from None
    # not strftime: it takes ten times as long, and a call writes several keys
    return f"{utc.year:04d}{utc.month:02d}{utc.day:02d}T{utc.hour:02d}{utc.minute:02d}{utc.second:02d}Z"


def parse_timestamp(text: str) -> dt.datetime:
    """Read `YYYYMMDDTHHMMSSZ`.

    Raises:
        InvalidKeyError: it is not an instant of the calendar.
    """
    if not re.fullmatch(_TIMESTAMP, text):
        raise InvalidKeyError("not a timestamp")
    try:  # not strptime: its module costs a cold start more than this one
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise InvalidKeyError("not an instant of the calendar") from None


def sanitize_filename(text: str) -> str:
    """Map anything to a legal file name, never to an empty one; a legal name stays as it is.

    The last path component is kept, accents are folded, everything else illegal becomes `_`, a run of dots becomes one,
    a stem without a letter or digit becomes `file`, a name that Windows keeps for a device (`CON.jpg`) gets a `_` in
    front, and a long stem is cut so that the extension survives.
    """
    is_device = re.match(_DEVICE, text, re.IGNORECASE)
    if not is_device and re.fullmatch(_FILENAME, text):
        return text
    name = re.split(r"[/\\]", text)[-1].lstrip(".")
    folded = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    legal = re.sub(r"\.+", ".", re.sub(r"[^A-Za-z0-9._-]+", "_", folded))
    stem, dot, extension = legal.rpartition(".")
    if not dot or not re.fullmatch(r"[A-Za-z0-9]{1,16}", extension):
        stem, dot, extension = legal, "", ""
    if not re.search(r"[A-Za-z0-9]", stem):
        stem = "file"
    stem = stem.lstrip(".")
    if re.match(_DEVICE, stem, re.IGNORECASE):
        stem = f"_{stem}"
    return stem[: MAX_FILENAME_CHARS - len(dot + extension)].rstrip(".") + dot + extension


def raw_key(user_id: str, job_id: str, at: dt.datetime, filename: str) -> str:
    """The key of an upload; `filename` must be legal already (see `sanitize_filename`).

    Raises:
        InvalidKeyError: a part is not legal.
    """
    return str(RawKey(user_id, job_id, at.replace(microsecond=0), filename))


def dispatch_key(user_id: str, job_id: str, attempt: int) -> str:
    """The key of the sealed payload of one attempt.

    Raises:
        InvalidKeyError: a part is not legal.
    """
    return str(RawKey(user_id, job_id, attempt=attempt))


def launch_arguments(user_id: str, job_id: str, attempt: int) -> tuple[str, str, str]:
    """Return the three arguments of `rythmiq-launch`; they hold nothing secret.

    Raises:
        InvalidKeyError: they name no attempt of a job.
    """
    dispatch_key(user_id, job_id, attempt)
    if attempt > MAX_ATTEMPTS:
        raise InvalidKeyError("not an attempt of a job")
    return user_id, job_id, str(attempt)


def master_key(user_id: str, document_id: str) -> str:
    """The key of a document's master.

    Raises:
        InvalidKeyError: a part is not legal.
    """
    return str(MasterKey(user_id, document_id))


def output_key(user_id: str, job_id: str, name: str) -> str:
    """The key of one of the service's output names.

    Raises:
        InvalidKeyError: a part is not legal.
    """
    return str(OutputKey(user_id, job_id, name))


def result_key(user_id: str, job_id: str, attempt: int) -> str:
    """The key of the sealed result of one attempt.

    Raises:
        InvalidKeyError: a part is not legal.
    """
    return output_key(user_id, job_id, f"result-a{attempt}.json.enc")


def document_name(at: dt.datetime, extension: Literal["jpg", "png", "pdf"], *, sealed: bool) -> str:
    """Output name of the conformed file."""
    return f"{format_timestamp(at)}_document.{extension}{'.enc' if sealed else ''}"


def text_name(at: dt.datetime, *, sealed: bool) -> str:
    """Output name of the recognised text."""
    return f"{format_timestamp(at)}_text.txt{'.enc' if sealed else ''}"


def zip_name(at: dt.datetime, *, sealed: bool) -> str:
    """Output name of the ZIP."""
    return f"{format_timestamp(at)}_output.zip{'.enc' if sealed else ''}"


def preview_name(*, sealed: bool) -> str:
    """Output name of the preview."""
    return f"preview.jpg{'.enc' if sealed else ''}"


def before_name(*, sealed: bool) -> str:
    """Output name of the small picture of the upload."""
    return f"before.jpg{'.enc' if sealed else ''}"


def parse_key(text: str) -> StorageKey:
    """Read a storage key.

    Raises:
        InvalidKeyError: the text is outside the grammar.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        raise InvalidKeyError("a storage key is at most 1024 bytes")
    if match := re.fullmatch(_RAW, text):
        if match["attempt"] is not None:
            return RawKey(match["user"], match["job"], attempt=int(match["attempt"]))
        return RawKey(match["user"], match["job"], at=parse_timestamp(match["at"]), filename=match["filename"])
    if match := re.fullmatch(_MASTER, text):
        return MasterKey(match["user"], match["document"])
    if match := re.fullmatch(_OUTPUT, text):
        return OutputKey(match["user"], match["job"], match["name"])
    raise InvalidKeyError("not a storage key")


def is_service_key(key: StorageKey) -> bool:
    """Whether a key is of a dispatch or result object."""
    return key.is_dispatch if isinstance(key, RawKey) else isinstance(key, OutputKey) and key.artifact == "result"


def is_upload_of(text: str, user_id: str, job_id: str) -> bool:
    """Whether a key is an upload of this user and job; the service's own names are none."""
    try:
        key = parse_key(text)
    except InvalidKeyError:
        return False
    return isinstance(key, RawKey) and not key.is_dispatch and (key.user_id, key.job_id) == (user_id, job_id)


def is_made_by(text: str, user_id: str, job_id: str, document_id: str | None) -> bool:
    """Whether a key is of what this user's job made: one of its outputs, or the master of its document."""
    try:
        key = parse_key(text)
    except InvalidKeyError:
        return False
    if isinstance(key, MasterKey):
        return (key.user_id, key.document_id) == (user_id, document_id)
    return isinstance(key, OutputKey) and (key.user_id, key.job_id) == (user_id, job_id)
