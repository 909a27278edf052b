"""A bucket's policy, CORS and lifecycle, from the templates in `infra/spaces`.

Statements and rules of others in the policy and the lifecycle are kept; ours are identified by their Sid and ID. CORS
is one rule, and the origins that it has stay in it until they are dropped by name. A setting that is already right is
not written. A policy that the store refuses, or after which it refuses an ordinary upload (moto, for one, ignores
conditions), is removed again, so that the bucket keeps working. That is remembered in the bucket itself, in
`operator/policy-refused.json`, so that the next run explains it in place of trying again. The statement that asks for
TLS is for an https endpoint, and about objects alone, so that it can never lock its owner out of the policy; a store
that does not see the TLS that ends before it gets the policy without it.

Source: docs/specification/storage-keys.md; Ceph RGW 16.2, on which the rig test runs it.
"""

import contextlib
import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.errors import RythmiqError, StoreError
from rythmiq.contracts.keys import raw_key
from rythmiq_cli.operator import carried, operator_client

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Part = Literal["policy", "cors", "lifecycle"]
_OURS = ("Rythmiq", "rythmiq-")
_TLS_ONLY = "RythmiqTlsOnly"
_NONE_YET = frozenset({"NoSuchBucketPolicy", "NoSuchCORSConfiguration", "NoSuchLifecycleConfiguration"})
_REFUSALS = frozenset({400, 403, 404, 405, 409, 501})
_NO_OBJECT = frozenset({403, 404})  # it is shut where a store applies a policy without its conditions
_REMEMBERED = "operator/policy-refused.json"
_NEEDED_WHERE = "`rythmiq doctor` says by `copy-source` and `public-objects` whether this store needs one at all"


class SpacesError(RythmiqError):
    """The bucket's settings cannot be read or written."""


class SpacesUnreachableError(SpacesError):
    """The store does not answer."""


@dataclass(frozen=True, slots=True)
class Change:
    """One setting of the bucket.

    Attributes:
        now: the current setting; None when there is none.
        wanted: the setting to write; None leaves it alone.
        note: what an operator should know of it.
        refused: when and why the store refused exactly this before; then it is not tried again.
    """

    part: Part
    now: Mapping[str, Any] | None
    wanted: Mapping[str, Any] | None
    note: str = ""
    refused: str = ""

    @property
    def is_needed(self) -> bool:
        """Whether something is to be written."""
        return self.wanted is not None and not _same(self.now, self.wanted)

    @property
    def lacks_a_statement(self) -> bool:
        """Whether a statement of ours is missing from the policy, whatever else it has."""
        here = [_plain(statement) for statement in (self.now or {}).get("Statement", [])]
        return any(_plain(statement) not in here for statement in (self.wanted or {}).get("Statement", []))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one setting; `is_remembered` when it was taken back by an earlier run."""

    part: Part
    state: Literal["unchanged", "changed", "taken_back", "left_alone"]
    note: str = ""
    is_remembered: bool = False


def template(part: Part, **values: object) -> dict[str, Any]:
    """A template with its `${NAME}`s replaced; a list takes the place of the one entry that names it."""
    return dict(_filled(json.loads(carried("spaces", f"{part}.json").read_text(encoding="utf-8")), values))


def _filled(item: Any, values: Mapping[str, object]) -> Any:
    if isinstance(item, dict):
        return {name: _filled(value, values) for name, value in item.items()}
    if isinstance(item, list):
        for name, value in values.items():
            if item == [f"${{{name}}}"] and isinstance(value, list | tuple):
                return list(value)
        return [_filled(value, values) for value in item]
    if isinstance(item, str):
        for name, value in values.items():
            item = item.replace(f"${{{name}}}", str(value))
    return item


def plan(
    config: StoreConfig, origins: Collection[str], *, dropped: Collection[str] = (), again: bool = False
) -> tuple[Change, ...]:
    """Compare the bucket's settings with the templates.

    Args:
        config: the bucket, and a key that may change its settings.
        origins: pages that may upload and download, beside those that the bucket has; without any CORS is left alone.
        dropped: origins that the bucket has and that no page uses any more.
        again: whether a policy is tried that the store refused before.

    Raises:
        SpacesError: the settings cannot be read; SpacesUnreachableError.
    """
    s3, bucket = operator_client(config), config.bucket
    with _translated():
        policy = _policy_now(s3, bucket)
        cors = _read(lambda: {"CORSRules": s3.get_bucket_cors(Bucket=bucket)["CORSRules"]})
        lifecycle = _read(lambda: {"Rules": s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]})
        remembered = {} if again else _remembered(s3, bucket)
    kept = sorted(kept_origins(cors) - set(origins) - set(dropped)) if "*" not in origins else []
    origins = sorted({*origins, *kept})
    no_page = "" if origins else "no origin is given: no page can upload or download until one is (--origin)"
    wanted_policy = template("policy", BUCKET=bucket)
    wanted_lifecycle = template("lifecycle")
    wanted_policy["Statement"] = _beside_others(policy, "Statement", "Sid", wanted_policy["Statement"])
    tls_note = str(remembered.get("tls", ""))
    if tls_note or not config.endpoint.startswith("https://"):
        wanted_policy = _without_tls_only(wanted_policy)
    return (
        Change(
            "policy",
            policy,
            wanted_policy,
            tls_note,
            refused=str(remembered.get("said", "")) if remembered.get("policy") == _digest(wanted_policy) else "",
        ),
        Change(
            "cors",
            cors,
            template("cors", ORIGINS=origins) if origins else None,
            no_page or (f"kept as it was given before: {', '.join(kept)} (--drop-origin removes one)" if kept else ""),
        ),
        Change(
            "lifecycle",
            lifecycle,
            {"Rules": _beside_others(lifecycle, "Rules", "ID", wanted_lifecycle["Rules"])},
        ),
    )


def kept_origins(cors: Mapping[str, Any] | None) -> frozenset[str]:
    """The origins that a bucket's CORS lists by name."""
    rules = (cors or {}).get("CORSRules", [])
    return frozenset(origin for rule in rules for origin in rule.get("AllowedOrigins", []) if origin != "*")


def apply(config: StoreConfig, changes: Sequence[Change]) -> tuple[Outcome, ...]:
    """Write what is needed.

    Raises:
        SpacesError: a setting is refused; SpacesUnreachableError.
    """
    s3 = operator_client(config)
    return tuple(_applied(s3, config, change) for change in changes)


def _applied(s3: "S3Client", config: StoreConfig, change: Change) -> Outcome:
    if change.wanted is None:
        return Outcome(change.part, "left_alone", change.note)
    if not change.is_needed:
        return Outcome(change.part, "unchanged", change.note)
    if change.refused:
        return Outcome(change.part, "taken_back", f"{change.refused}; --again retries it", is_remembered=True)
    wanted: Any = change.wanted
    with _translated(change.part):
        if change.part == "cors":
            s3.put_bucket_cors(Bucket=config.bucket, CORSConfiguration=wanted)
        elif change.part == "lifecycle":
            s3.put_bucket_lifecycle_configuration(Bucket=config.bucket, LifecycleConfiguration=wanted)
        else:
            return _policy_applied(s3, config, change)
    return Outcome(change.part, "changed", change.note)


def _policy_applied(s3: "S3Client", config: StoreConfig, change: Change) -> Outcome:
    from botocore.exceptions import ClientError  # noqa: PLC0415  see operator_store

    if not _takes_an_upload(config):
        raise SpacesError("an ordinary upload is refused: check the key, and `rythmiq doctor`")
    try:
        s3.put_bucket_policy(Bucket=config.bucket, Policy=json.dumps(change.wanted))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") not in _REFUSALS or code == "AccessDenied":
            raise
        return _remember(s3, config, change, f"this store does not take the policy ({code})")
    if _takes_an_upload(config):
        return Outcome("policy", "changed", change.note)
    milder = _without_tls_only(change.wanted or {})
    if milder != change.wanted:
        s3.put_bucket_policy(Bucket=config.bucket, Policy=json.dumps(milder))
        if _takes_an_upload(config):
            said = f"this store does not see its own TLS: {_TLS_ONLY} is left out; --again retries it"
            _write_down(s3, config.bucket, {"tls": said})
            return Outcome("policy", "changed", said)
    _put_policy_back(s3, config.bucket, change.now)
    return _remember(s3, config, change, "this store refuses ordinary uploads with the policy, so it was removed again")


def _remember(s3: "S3Client", config: StoreConfig, change: Change, what: str) -> Outcome:
    """Write down that the store refuses this policy, in the bucket, where every operator's next run finds it."""
    said = f"{what} on {dt.datetime.now(tz=dt.UTC):%Y-%m-%d}; {_NEEDED_WHERE}"
    _write_down(s3, config.bucket, {"policy": _digest(change.wanted), "said": said})
    return Outcome("policy", "taken_back", said)


def _write_down(s3: "S3Client", bucket: str, what: Mapping[str, str]) -> None:
    s3.put_object(Bucket=bucket, Key=_REMEMBERED, Body=json.dumps(what).encode(), ContentType="application/json")


def _without_tls_only(policy: Mapping[str, Any]) -> dict[str, Any]:
    kept = [statement for statement in policy.get("Statement", []) if statement.get("Sid") != _TLS_ONLY]
    return {**policy, "Statement": kept}


def _remembered(s3: "S3Client", bucket: str) -> Mapping[str, Any]:
    from botocore.exceptions import ClientError  # noqa: PLC0415  see operator_store

    try:
        found = json.loads(s3.get_object(Bucket=bucket, Key=_REMEMBERED)["Body"].read(10_000))
    except ValueError:
        return {}
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in _NO_OBJECT:
            return {}
        raise
    return found if isinstance(found, dict) else {}


def _digest(policy: object) -> str:
    return hashlib.sha256(json.dumps(_plain(policy), sort_keys=True).encode()).hexdigest()


def _put_policy_back(s3: "S3Client", bucket: str, policy: Mapping[str, Any] | None) -> None:
    if policy is None:
        s3.delete_bucket_policy(Bucket=bucket)
    else:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def _takes_an_upload(config: StoreConfig) -> bool:
    """Whether an object can be written and deleted, under a key of a random user."""
    store = SpacesStore(config)
    key = raw_key(str(uuid.uuid4()), str(uuid.uuid4()), dt.datetime.now(tz=dt.UTC), "apply.bin")
    try:
        store.upload_object(key, b"probe")
    except StoreError:
        return False
    store.delete_object(key)
    return True


def _policy_now(s3: "S3Client", bucket: str) -> dict[str, Any] | None:
    found = _read(lambda: {"Policy": s3.get_bucket_policy(Bucket=bucket)["Policy"]})
    return None if found is None or not found["Policy"] else dict(json.loads(found["Policy"]))


def _read(request: Any) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError  # noqa: PLC0415  see operator_store

    try:
        return dict(request())
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _NONE_YET:
            return None
        raise


def _beside_others(now: Mapping[str, Any] | None, field: str, name: str, ours: list[Any]) -> list[Any]:
    others = [entry for entry in (now or {}).get(field, []) if not str(entry.get(name, "")).startswith(_OURS)]
    return [*others, *ours]


def _same(now: Any, wanted: Any) -> bool:
    """Whether the store's reading of a setting is what was wanted; it may spell it otherwise."""
    return bool(_plain(now) == _plain(wanted))


def _plain(item: Any) -> Any:
    """Without order, without what stores add (a `Prefix` beside its filter), and with one-element lists as elements."""
    if isinstance(item, Mapping):
        filter_ = item.get("Filter")
        prefix = item.get("Prefix", filter_.get("Prefix") if isinstance(filter_, Mapping) else None)
        rest = {name: _plain(value) for name, value in item.items() if name not in {"Filter", "Prefix"}}
        return rest if prefix is None else {**rest, "Prefix": prefix}
    if isinstance(item, list | tuple):
        parts = sorted((_plain(part) for part in item), key=lambda part: json.dumps(part, sort_keys=True))
        return parts[0] if len(parts) == 1 else parts
    return item


@contextlib.contextmanager
def _translated(part: str = "settings") -> Any:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  see operator_store

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:  # noqa: PLR2004  its trouble
            raise SpacesUnreachableError(f"the store answers {said.get('Code')}") from None
        advice = "; the key needs full access to the bucket" if said.get("Code") == "AccessDenied" else ""
        raise SpacesError(f"the store refuses ({part}): {said.get('Code')}{advice}") from None
    except BotoCoreError as error:
        raise SpacesUnreachableError(f"the store does not answer: {type(error).__name__}") from None
