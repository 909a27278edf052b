"""Which key each row and object is wrapped under, and rewrapping them all under the current one.

Nothing is decrypted: only wrapped keys change, in rows by batches of one transaction each, in objects by their first
108 bytes. Keys that are current are skipped, so that an interrupted rotation resumes where it was, and a second one has
nothing to do. A key that does not unwrap stays as it is and is counted.

DISPATCH_KEYS seals what lives as long as an attempt, so nothing is rewrapped there. A launcher seals its result under
the key of its dispatch object, and its token holds for 24 hours: an old key may go once no younger object names it.

An object that is written anew begins its retention anew (a store knows no other date). One that is deleted meanwhile
stays deleted where the store honours `If-Match`.
"""

import base64
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from rythmiq.contracts.attempt import TOKEN_TTL_S
from rythmiq.contracts.keys import InvalidKeyError, StorageKey, is_service_key, parse_key
from rythmiq.crypto import OVERHEAD_BYTES, DecryptionError, Header, is_sealed, parse_header
from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.operator.key_state import KeyState, still_current

if TYPE_CHECKING:
    import psycopg
    from botocore.exceptions import ClientError
    from mypy_boto3_s3.client import S3Client

PREFIXES = ("master/", "output/", "raw/")
GONE = frozenset({"NoSuchKey", "404", "InvalidRange"})
"""What a store answers for an object that is gone since it was listed, or empty."""
State = Literal["rewrapped", "current", "plaintext", "failed"]
_BATCH = 200
_TABLES = (
    ("jobs", "id", (("kid", "wrapped_key"), ("input_kid", "input_wrapped_key"))),
    ("uploads", "job_id", (("kid", "wrapped_key"),)),
)
_FIRST = "00000000-0000-0000-0000-000000000000"


def users_objects(s3: "S3Client", bucket: str, prefix: str) -> Iterator[StorageKey]:
    """List the objects of users below a prefix; service objects and what is not ours are left out."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            try:
                key = parse_key(entry["Key"])
            except InvalidKeyError:
                continue
            if not is_service_key(key):
                yield key


def head_of(s3: "S3Client", bucket: str, key: StorageKey) -> Header | None:
    """Read an object's head; None of one that is gone, or that is plaintext.

    Raises:
        DecryptionError: `malformed`.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415  see operator_store

    try:
        answer = s3.get_object(Bucket=bucket, Key=str(key), Range=f"bytes=0-{OVERHEAD_BYTES - 1}")
        head = answer["Body"].read()
    except ClientError as error:
        if _code(error) in GONE:
            return None
        raise
    return parse_header(head) if is_sealed(head) else None


def kids_of_objects(s3: "S3Client", bucket: str) -> Counter[int | None]:
    """How many objects are under each kid; None counts those that are sealed and cannot be read."""
    kids: Counter[int | None] = Counter()
    for prefix in PREFIXES:
        for key in users_objects(s3, bucket, prefix):
            try:
                header = head_of(s3, bucket, key)
            except DecryptionError:
                kids[None] += 1
                continue
            if header is not None:
                kids[header.kid] += 1
    return kids


def kids_in_use(s3: "S3Client", bucket: str, now: dt.datetime) -> Counter[int]:
    """How many dispatch and result objects of the last 24 hours name each kid; plaintext ones name none."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  see operator_store

    kids: Counter[int] = Counter()
    for key in _young(s3, bucket, now):
        try:
            part = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{OVERHEAD_BYTES - 1}")["Body"].read()
            kids[parse_header(part).kid] += 1
        except DecryptionError:
            continue
        except ClientError as error:
            if _code(error) not in GONE:
                raise
    return kids


def _young(s3: "S3Client", bucket: str, now: dt.datetime) -> Iterator[str]:
    since = now - dt.timedelta(seconds=TOKEN_TTL_S)
    for prefix in ("raw/", "output/"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                try:
                    wanted = is_service_key(parse_key(entry["Key"])) and entry["LastModified"] >= since
                except InvalidKeyError:
                    continue
                if wanted:
                    yield entry["Key"]


def _code(error: "ClientError") -> str | None:
    return error.response.get("Error", {}).get("Code")


@dataclass
class Rotation:
    """A rotation and its counts; a dry run counts only.

    Attributes:
        ring: its first key is what everything is wrapped under.
        dry_run: whether nothing is written.
        seen: called after each row and object.
        left: rows and objects that are under another key in the end, by its kid; every old key of the ring is there.
        in_use: when functions last wrapped under an old key that no newer one has replaced there.
    """

    ring: KeyRing
    dry_run: bool = False
    seen: Callable[[], object] = lambda: None
    rows: Counter[State] = field(default_factory=Counter)
    objects: Counter[State] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    left: dict[int, tuple[int, int]] = field(default_factory=dict)
    in_use: dict[int, dt.datetime] = field(default_factory=dict)
    _objects_left: Counter[int] = field(default_factory=Counter)
    _failed_under_a_kid: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every data key could be unwrapped."""
        return not self.rows["failed"] and not self.objects["failed"]

    @property
    def changed(self) -> dict[str, int]:
        """How many rows and objects were written anew; empty when none were."""
        counts = {"rows": self.rows["rewrapped"], "objects": self.objects["rewrapped"]}
        return counts if any(counts.values()) and not self.dry_run else {}

    @property
    def unreadable(self) -> int:
        """How many objects failed without a kid that could be read."""
        return self.objects["failed"] - self._failed_under_a_kid

    def conclude(self, state: KeyState) -> None:
        """Count what is left under other keys, from the rows as they are now and the objects as they were read."""
        rows = {entry.kid: entry.count for entry in state.rows}
        others = {*self.ring.kids, *rows, *self._objects_left} - {self.ring.current_kid}
        self.left = {kid: (rows.get(kid, 0), self._objects_left[kid]) for kid in sorted(others)}
        found = {kid: still_current("encryption", kid, state) for kid in others}
        self.in_use = {kid: at for kid, at in found.items() if at is not None}

    # --- rows --------------------------------------------------------------------------------------------------------

    def rotate_rows(self, connection: "psycopg.Connection[Any]") -> None:
        """Rotate `jobs` and `uploads`; the connection is the owner's, in autocommit."""
        for table, key, pairs in _TABLES:
            after: object = _FIRST
            while after is not None:
                with connection.transaction():
                    connection.execute("set local role service_role")
                    connection.execute("select set_config('rythmiq.rotation', 'on', true)")
                    after = self._batch(connection, table, key, pairs, after)

    def _batch(
        self,
        connection: "psycopg.Connection[Any]",
        table: str,
        key: str,
        pairs: tuple[tuple[str, str], ...],
        after: object,
    ) -> object:
        columns = ["user_id", *(column for pair in pairs for column in pair)]
        due = " or ".join(f"{kid} <> %(kid)s" for kid, _ in pairs)
        # names of _TABLES and nothing else
        question = (
            f"select {key}, {', '.join(columns)} from public.{table}"  # noqa: S608
            f" where {key} > %(after)s and ({due}) order by {key} limit {_BATCH}{'' if self.dry_run else ' for update'}"
        )
        arguments = {"kid": self.ring.current_kid, "after": after}
        rows = connection.execute(question.encode(), arguments).fetchall()
        for row in rows:
            self._row(connection, table, key, columns, row)
        return rows[-1][0] if len(rows) == _BATCH else None

    def _row(
        self, connection: "psycopg.Connection[Any]", table: str, key: str, columns: list[str], row: tuple[Any, ...]
    ) -> None:
        self.seen()
        try:
            owner = str(row[1])
            renewed = [part for at in range(2, len(row), 2) for part in self._renewed(row[at], row[at + 1], owner)]
        except DecryptionError as error:
            self.rows["failed"] += 1
            self.reasons[error.reason] += 1
            return
        self.rows["rewrapped"] += 1
        if not self.dry_run:
            changes = ", ".join(f"{column} = %s" for column in columns[1:])
            statement = f"update public.{table} set {changes} where {key} = %s"  # noqa: S608  see above
            connection.execute(statement.encode(), [*renewed, row[0]])

    def _renewed(self, kid: int | None, wrapped_key: str | None, owner: str) -> tuple[int | None, str | None]:
        if kid is None or wrapped_key is None or kid == self.ring.current_kid:
            return kid, wrapped_key
        renewed = self.ring.rewrap_key(kid, base64.b64decode(wrapped_key), owner)
        return renewed.kid, base64.b64encode(renewed.wrapped_key).decode()

    # --- objects -----------------------------------------------------------------------------------------------------

    def rotate_objects(self, s3: "S3Client", bucket: str) -> None:
        """Rotate every object of users' in the bucket; service objects and what is not ours are left alone."""
        for prefix in PREFIXES:
            for key in users_objects(s3, bucket, prefix):
                self.seen()
                self.objects[self._object(s3, bucket, key)] += 1

    def _object(self, s3: "S3Client", bucket: str, key: StorageKey) -> State:
        from botocore.exceptions import ClientError  # noqa: PLC0415  see operator_store

        try:
            return self._rewrapped(s3, bucket, key)
        except DecryptionError as error:
            self.reasons[error.reason] += 1
            return "failed"
        except ClientError as error:
            if _code(error) in GONE:
                return "current"
            raise

    def _rewrapped(self, s3: "S3Client", bucket: str, parsed: StorageKey) -> State:
        key, owner = str(parsed), parsed.user_id
        head = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{OVERHEAD_BYTES - 1}")["Body"].read()
        if not is_sealed(head):
            return "plaintext"
        header = parse_header(head)
        try:
            self.ring.unwrap(header.kid, header.wrapped_key, owner)
        except DecryptionError:
            self._objects_left[header.kid] += 1
            self._failed_under_a_kid += 1
            raise
        if header.kid == self.ring.current_kid:
            return "current"
        if self.dry_run:
            self._objects_left[header.kid] += 1
            return "rewrapped"
        whole = s3.get_object(Bucket=bucket, Key=key)
        renewed = self.ring.rewrap(whole["Body"].read(), owner)
        # As HTTP has it, and as Ceph RGW 16 compares it: without its quotes, which no other store would match.
        for etag in (whole["ETag"], whole["ETag"].strip('"')):
            if _put(s3, bucket, key, renewed, whole["ContentType"], etag):
                return "rewrapped"
        self._objects_left[header.kid] += 1
        self._failed_under_a_kid += 1
        self.reasons["changed meanwhile: run it again"] += 1
        return "failed"


def _put(s3: "S3Client", bucket: str, key: str, data: bytes, content_type: str, etag: str) -> bool:  # noqa: PLR0913, PLR0917  one request
    from botocore.exceptions import ClientError  # noqa: PLC0415  see operator_store

    try:
        s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type, IfMatch=etag)
    except ClientError as error:
        if _code(error) == "PreconditionFailed":
            return False
        raise
    return True
