"""The heads of users' objects in the bucket: which key each is under, read from its first 108 bytes."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rythmiq.contracts.keys import InvalidKeyError, StorageKey, is_service_key, parse_key
from rythmiq.crypto.rqe1 import OVERHEAD_BYTES, DecryptionError, Header, is_sealed, parse_header

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

PREFIXES = ("master/", "output/", "raw/")
GONE = frozenset({"NoSuchKey", "404", "InvalidRange"})
"""What a store answers for an object that is gone since it was listed, or empty."""


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
        if error.response.get("Error", {}).get("Code") in GONE:
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
