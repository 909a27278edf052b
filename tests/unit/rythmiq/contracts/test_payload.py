"""The payload: which job a worker may run."""

import base64
import contextlib
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.payload import PAYLOAD_VERSION, Payload, StorageReference, validate_artifact_source
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.intake import admitted, input_key, names_own_store, validated

USER = "5f2b7c1e-9d34-4a6b-8c1d-0e2f3a4b5c6d"
JOB = "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d"
STRANGER = "99999999-9999-4999-8999-999999999999"
RAW = f"raw/{USER}/{JOB}/20260102T030405Z_me.jpg.enc"
STORE = "https://sgp1.example.com"
ENVIRON = {
    "SPACES_ENDPOINT": STORE,
    "SPACES_REGION": "sgp1",
    "SPACES_BUCKET": "rythmiq",
    "SPACES_KEY": "key",
    "SPACES_SECRET": "secret",
    "ALLOW_PLAINTEXT": "yes",
}
FLAT = {
    "target_width": 200,
    "target_height": 230,
    "target_dpi": 200,
    "max_kb": 100,
    "filename_pattern": "{job_id}.jpg",
    "output_format": "jpg",
    "quality": 85,
}
SECRET_KEY = base64.b64encode(bytes(range(32))).decode()
ENCRYPTION = {"kid": 1, "wrapped_key": base64.b64encode(bytes(40)).decode(), "data_key": SECRET_KEY}


def job(**changes: object) -> dict[str, Any]:
    """The hand-off's payload, with v4 ids."""
    whole: dict[str, Any] = {
        "job_id": JOB,
        "user_id": USER,
        "portal_schema": {"id": "neet-photo", "name": "NEET", "version": "2026", "schema_definition": dict(FLAT)},
        "input": {"raw_path": RAW, "mime_type": "image/jpeg", "original_filename": "me.jpg"},
        "storage": {"bucket": "rythmiq", "region": "sgp1", "endpoint": STORE},
    }
    return whole | changes


def refusal(raw: dict[str, Any], **environ: str) -> str:
    """Why a payload is refused; it must be as PAYLOAD_INVALID."""
    with pytest.raises(JobError) as refused:
        admitted(validated(raw), WorkerSettings.from_environ(ENVIRON | environ))
    assert refused.value.code is ErrorCode.PAYLOAD_INVALID
    assert refused.value.stage == "init"
    return refused.value.message


# --- the contract ----------------------------------------------------------------------------------------------------


def test_the_flat_schema_of_the_hand_off_is_taken_as_it_is() -> None:
    """The v1 fields, `jpg` for `jpeg`, and defaults for the rest."""
    rules = validated(job()).portal_schema.schema_definition
    assert (rules.kind, rules.output_format, rules.quality, rules.max_bytes) == ("auto", "jpeg", 85, 100_000)


def test_unknown_fields_are_ignored_everywhere_but_in_the_rules() -> None:
    """A newer API may say more; a rule we do not know is one we would break."""
    newer = job(v=PAYLOAD_VERSION, callback={"url": "https://example.com", "token": "t"}, **{"x" * 300: 1})
    newer["input"]["size_bytes"] = 7
    assert validated(newer).v == PAYLOAD_VERSION
    newer["portal_schema"]["schema_definition"]["dress_code"] = "formal"
    assert "/portal_schema/schema_definition/dress_code" in refusal(newer)


def test_a_version_that_this_worker_does_not_know_is_refused() -> None:
    """It says that the payload holds something that this worker would leave out."""
    assert "/v" in refusal(job(v=PAYLOAD_VERSION + 1))
    assert validated(job()).v == 1


def test_a_refusal_points_at_fields_and_never_shows_a_value() -> None:
    """JSON pointers of the first ten; keys and names stay out of the log."""
    bad = job(
        job_id="mallory", user_id="mallory", encryption=ENCRYPTION | {"wrapped_key": SECRET_KEY, "kid": "mallory"}
    )
    bad["input"] = {"raw_path": RAW, "original_filename": ["mallory"]}
    bad["portal_schema"]["schema_definition"] |= {"max_kb": "mallory", "a/b~c\n": 1}
    message = refusal(bad)
    assert "mallory" not in message
    assert SECRET_KEY not in message
    for pointer in (
        "/job_id:",
        "/user_id:",
        "/encryption/wrapped_key: is not 40 bytes",
        "/encryption/kid:",
        "/input/original_filename:",
        "/portal_schema/schema_definition/max_kb:",
        "/portal_schema/schema_definition/a~1b~0c?:",
    ):
        assert pointer in message


def test_many_faults_are_counted_and_not_all_listed() -> None:
    """The message stays short."""
    many = job()
    many["portal_schema"]["schema_definition"] |= {f"rule_{number}": 1 for number in range(30)}
    assert refusal(many).endswith("and 20 more")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dispatched_at", "2026-01-02T03:04:05"),
        ("dispatched_at", "0001-01-01T00:00:00+14:00"),
        ("dispatched_at", "yesterday"),
        ("document_id", "not-a-uuid"),
        ("attempt", 0),
        ("options", {"rotate": 45}),
        ("options", {"crop": {"x": 0, "y": 0, "width": 1.5, "height": 1}}),
        ("options", {"crop": {"x": 0.5, "y": 0, "width": 0.6, "height": 1}}),
        ("options", {"crop": {"x": 0, "y": 0, "width": 0, "height": 1}}),
        ("encryption", {"kid": 0, "wrapped_key": SECRET_KEY, "data_key": SECRET_KEY}),
        ("encryption", ENCRYPTION | {"data_key": SECRET_KEY + "\n"}),
        ("encryption", ENCRYPTION | {"data_key": "AAAA"}),
        ("encryption", ENCRYPTION | {"data_key": 7}),
        ("input", {}),
        ("input", {"raw_path": RAW, "artifact_url": "https://example.com"}),
        ("input", {"raw_path": ""}),
        ("storage", {"bucket": "rythmiq"}),
        ("portal_schema", {}),
    ],
)
def test_a_field_out_of_its_range_is_payload_invalid(field: str, value: object) -> None:
    """One row for each bound of the contract."""
    refusal(job(**{field: value}))


@pytest.mark.parametrize(
    "rules",
    [
        {"min_kb": 60, "max_kb": 50},
        {"min_kb": 50, "max_kb": 50},
        {"target_width": 200},
        {"target_width": 0, "target_height": 1},
        {"target_width": 10_000, "target_height": 10_000},
        {"target_width": 200, "target_height": 230, "min_width": 100},
        {"width_mm": 35, "height_mm": 45},
        {"formats": 7},
        {"formats": []},
        {"formats": {"0": "jpeg"}},
        {"formats": ["png"], "output_format": "jpeg"},
        {"formats": ["gif"]},
        {"filename_pattern": "{user_id}.jpg"},
        {"filename_pattern": "{job_id.__class__}"},
        {"filename_pattern": "{job_id!r}"},
        {"filename_pattern": "{job_id:>900}"},
        {"filename_pattern": "{"},
        {"face_ratio": [0.8, 0.5]},
        {"face_ratio": [0.5]},
        {"aspect_min": 2, "aspect_max": 1},
        {"max_kb": 1e999},
        {"sources": {"max_width": {}}},
        {
            "sources": {
                "no_such_rule": {
                    "source_url": "u",
                    "source_kind": "official",
                    "checked_on": "2026-01-01",
                    "confidence": "high",
                }
            }
        },
        7,
        [],
        None,
    ],
)
def test_rules_that_contradict_themselves_are_payload_invalid(rules: object) -> None:
    """A rule that cannot be kept is found before anything is fetched."""
    contradicted = job()
    contradicted["portal_schema"]["schema_definition"] = rules
    refusal(contradicted)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(SchemaDefinition.model_fields)), JSON_VALUES, max_size=6))
def test_no_rules_make_the_model_raise_anything_but_a_validation_error(rules: dict[str, object]) -> None:
    """Whatever a portal's author writes."""
    with contextlib.suppress(ValidationError):
        assert SchemaDefinition.model_validate(rules).output_format in {"jpeg", "png", "pdf"}


@given(st.sampled_from(sorted(Payload.model_fields)), JSON_VALUES)
def test_no_field_makes_the_payload_raise_anything_but_a_refusal(field: str, value: object) -> None:
    """Whatever a client sends."""
    with contextlib.suppress(JobError):
        assert validated(job(**{field: value})).job_id


@pytest.mark.parametrize(
    ("artifact_url", "raw_path", "source"), [("https://x", None, "url"), (None, RAW, "path"), ("https://x", "", "url")]
)
def test_exactly_one_source_is_named(artifact_url: str | None, raw_path: str | None, source: str) -> None:
    """By `validate_artifact_source`."""
    assert validate_artifact_source(artifact_url, raw_path) == source


@pytest.mark.parametrize(("artifact_url", "raw_path"), [(None, None), ("", ""), ("https://x", RAW)])
def test_both_sources_or_none_are_an_error(artifact_url: str | None, raw_path: str | None) -> None:
    """By `validate_artifact_source`."""
    with pytest.raises(ValueError, match="exactly one"):
        validate_artifact_source(artifact_url, raw_path)


# --- ownership -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        f"raw/{STRANGER}/{JOB}/20260102T030405Z_me.jpg.enc",
        f"raw/{USER}/{STRANGER}/20260102T030405Z_me.jpg.enc",
        f"master/{STRANGER}/{JOB}/{JOB}.enc",
        f"output/{USER}/{JOB}/preview.jpg",
        f"raw/{USER}/{JOB}/dispatch-a1.json.enc",
        f"raw/{USER}/{JOB}/../{JOB}/20260102T030405Z_me.jpg.enc",
        f"/{RAW}",
        "etc/passwd",
    ],
)
@pytest.mark.parametrize("by", ["path", "path-style url", "host-style url"])
def test_somebody_elses_object_and_the_services_own_are_refused_however_they_are_named(key: str, by: str) -> None:
    """By key or by a URL into our bucket."""
    url = f"{STORE}/rythmiq/{key}" if by == "path-style url" else f"https://rythmiq.sgp1.example.com/{key}"
    source = {"raw_path": key} if by == "path" else {"artifact_url": url}
    if ".." in key and by != "path":
        return  # such a URL has no key; FETCH refuses it (test_origins.py)
    assert STRANGER not in refusal(job(input=source))


def test_a_master_of_the_same_user_is_an_upload_of_any_job() -> None:
    """That is how a document is used for a second portal."""
    master = f"master/{USER}/{STRANGER}/{STRANGER}.enc"
    assert validated(job(input={"raw_path": master})).input.raw_path == master


# --- the worker's own store and policies -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bucket", "region", "endpoint"),
    [
        ("rythmiq", "sgp1", STORE),
        ("rythmiq", "SGP1", f"{STORE}/"),
        ("rythmiq", "sgp1", "https://SGP1.example.com:443"),
        ("rythmiq", "sgp1", "sgp1.example.com"),
    ],
)
def test_the_workers_own_store_is_recognised_however_it_is_written(bucket: str, region: str, endpoint: str) -> None:
    """Case, default port, a slash at the end, a scheme left out."""
    named = StorageReference(bucket=bucket, region=region, endpoint=endpoint)
    assert names_own_store(named, WorkerSettings.from_environ(ENVIRON))


@pytest.mark.parametrize(
    ("bucket", "region", "endpoint"),
    [
        ("other", "sgp1", STORE),
        ("Rythmiq", "sgp1", STORE),
        ("rythmiq", "nyc3", STORE),
        ("rythmiq", "sgp1", "http://sgp1.example.com"),
        ("rythmiq", "sgp1", "https://nyc3.example.com"),
        ("rythmiq", "sgp1", "https://sgp1.example.com:8443"),
        ("rythmiq", "sgp1", f"{STORE}/rythmiq"),
        ("rythmiq", "sgp1", "https://sgp1.example.com@evil.example"),
        ("rythmiq", "sgp1", "https://[::1"),
        ("rythmiq", "sgp1", ""),
    ],
)
def test_a_foreign_store_is_payload_invalid(bucket: str, region: str, endpoint: str) -> None:
    """A worker serves one store."""
    message = refusal(job(storage={"bucket": bucket, "region": region, "endpoint": endpoint}))
    assert message.startswith("/storage: ")


def test_plaintext_is_refused_where_it_is_not_allowed() -> None:
    """A store off this machine, and nobody said ALLOW_PLAINTEXT=yes; never in production."""
    assert "/encryption" in refusal(job(), ALLOW_PLAINTEXT="no")
    assert "/encryption" in refusal(job(), SERVICE_ENV="prod")
    sealed = validated(job(encryption=ENCRYPTION))
    assert admitted(sealed, WorkerSettings.from_environ(ENVIRON | {"SERVICE_ENV": "prod"})).payload is sealed


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ({"raw_path": RAW}, RAW),
        ({"artifact_url": f"{STORE}/rythmiq/{RAW}?X-Amz-Expires=60"}, RAW),
        ({"artifact_url": f"https://elsewhere.example/rythmiq/{RAW}"}, None),
        ({"artifact_url": "not a url"}, None),
    ],
)
def test_an_upload_in_our_bucket_has_a_storage_key(source: dict[str, str], key: str | None) -> None:
    """It is needed to open it."""
    assert input_key(validated(job(input=source)), WorkerSettings.from_environ(ENVIRON)) == key


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"dispatched_at": "2026-05-06T07:08:09+05:30"}, dt.datetime(2026, 5, 6, 1, 38, 9, tzinfo=dt.UTC)),
        ({}, dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
        ({"input": {"artifact_url": f"{STORE}/rythmiq/{RAW}"}}, dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    ],
)
def test_artifacts_are_dated_by_the_dispatch_else_by_the_upload(changes: dict[str, object], at: dt.datetime) -> None:
    """So that a repeat writes the same keys."""
    assert admitted(validated(job(**changes)), WorkerSettings.from_environ(ENVIRON)).dispatched_at == at


def test_a_payloads_keys_do_not_show_when_it_is_printed() -> None:
    """A log line or a traceback must not hold them."""
    assert SECRET_KEY not in repr(validated(job(encryption=ENCRYPTION)))
    assert repr(bytes(range(32))) not in repr(validated(job(encryption=ENCRYPTION)))


def test_a_payload_survives_json() -> None:
    """What is read here is what an API in the same house writes."""
    assert validated(json.loads(json.dumps(job(encryption=ENCRYPTION)))) == validated(job(encryption=ENCRYPTION))
