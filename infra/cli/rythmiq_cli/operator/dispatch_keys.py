"""Which old keys of DISPATCH_KEYS may go: those that no attempt of the last 24 hours names.

A launcher seals its result under the key that its order came under, and its token holds for 24 hours. So what the
headers of younger dispatch and result objects name is all that is needed.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rythmiq.contracts.attempt import TOKEN_TTL_S
from rythmiq.contracts.errors import SettingsError
from rythmiq.contracts.keys import InvalidKeyError, is_service_key, parse_key
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.crypto.rqe1 import OVERHEAD_BYTES, DecryptionError, parse_header
from rythmiq_cli.exits import ExitCode, unreachable, usage
from rythmiq_cli.operator import is_set, operator_client, store_config

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


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
            if error.response.get("Error", {}).get("Code") not in {"NoSuchKey", "404", "InvalidRange"}:
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


def report(environ: Mapping[str, str], *, as_json: bool) -> ExitCode:
    """Print which old keys may go; the exit code says whether the ring holds every key that is named."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  heavy for `--help`

    if not is_set(environ, "DISPATCH_KEYS"):
        usage("DISPATCH_KEYS is not set")
    try:
        ring = KeyRing.parse(environ["DISPATCH_KEYS"])
    except ValueError as error:
        usage(f"DISPATCH_KEYS: {error}")
    try:
        config = store_config(environ)
        kids = kids_in_use(operator_client(config), config.bucket, dt.datetime.now(tz=dt.UTC))
    except SettingsError as error:
        usage(str(error))
    except (BotoCoreError, ClientError) as error:
        unreachable(f"the store does not answer: {type(error).__name__}")
    old = {kid: kids[kid] for kid in ring.kids if kid != ring.current_kid}
    missing = sorted(set(kids) - set(ring.kids))
    if as_json:
        stays = {str(kid): count for kid, count in old.items() if count}
        may_go = [kid for kid, count in old.items() if not count]
        print(
            json.dumps(
                {"ok": not missing, "kid": ring.current_kid, "may_go": may_go, "in_use": stays, "missing": missing}
            )
        )
    else:
        print(f"New attempts are sealed under key {ring.current_kid}; nothing has to be rewritten.")
        for kid, count in old.items():
            print(
                f"Key {kid} stays: {count} objects of attempts of the last 24 hours name it. Ask again tomorrow."
                if count
                else f"Key {kid} may go: no attempt of the last 24 hours names it."
            )
        for kid in missing:
            print(f"Key {kid} is not in DISPATCH_KEYS, and {kids[kid]} objects of the last 24 hours name it.")
    return ExitCode.DOES_NOT_CONFORM if missing else ExitCode.OK
