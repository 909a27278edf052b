"""Settings: what the worker reads from its environment, and how it says that it cannot."""

import pytest

from rythmiq.contracts.errors import SettingsError
from rythmiq.settings import WorkerSettings

NEEDED = {
    "SPACES_ENDPOINT": "https://sgp1.example.com",
    "SPACES_REGION": "sgp1",
    "SPACES_BUCKET": "rythmiq",
    "SPACES_KEY": "key",
    "SPACES_SECRET": "hush-hush",
}


def problems(**changes: str) -> str:
    """The one message about an environment."""
    with pytest.raises(SettingsError) as refused:
        WorkerSettings.from_environ(NEEDED | changes)
    return str(refused.value)


def test_the_five_names_of_the_hand_off_are_enough() -> None:
    """Everything else has the default that SPEC 3, 5, 6, 9 and 10 name."""
    settings = WorkerSettings.from_environ(NEEDED)
    assert (settings.fetch_timeout_s, settings.ocr_timeout_s) == (30.0, 60.0)
    assert (settings.max_upload_bytes, settings.max_pixels, settings.max_pages) == (20 * 2**20, 80_000_000, 10)
    assert (settings.service_env, settings.ocr_engine, settings.allow_plaintext) == ("dev", "rapidocr", "no")
    assert settings.artifact_url_allowed_origins == ()
    assert settings.ocr_models_dir is None


@pytest.mark.parametrize("unset", ["-", ""])
def test_a_dash_and_nothing_read_as_unset(unset: str) -> None:
    """Doctl refuses empty and missing values, so a template writes a dash (SPEC 12)."""
    assert WorkerSettings.from_environ(NEEDED | {"FETCH_TIMEOUT_S": unset}).fetch_timeout_s == 30
    assert problems(SPACES_BUCKET=unset) == "SPACES_BUCKET is not set"


def test_variables_that_are_not_the_workers_are_not_read() -> None:
    """Its environment may hold anything."""
    assert WorkerSettings.from_environ(NEEDED | {"HOME": "/", "fetch_timeout_s": "x"}).fetch_timeout_s == 30


def test_one_message_names_every_problem_and_shows_no_value() -> None:
    """An operator mends all at once, and a log holds no secret."""
    bad = {
        "SPACES_ENDPOINT": "mallory://mallory",
        "SPACES_KEY": "-",
        "SERVICE_ENV": "mallory",
        "FETCH_TIMEOUT_S": "mallory",
        "OCR_TIMEOUT_S": "0",
        "MAX_PAGES": "101",
        "ARTIFACT_URL_ALLOWED_ORIGINS": "https://ok.example.org,mallory",
    }
    message = problems(**bad)
    assert len(message.split("; ")) == len(bad)
    assert all(name in message for name in bad)
    assert "mallory" not in message
    assert "hush-hush" not in message


@pytest.mark.parametrize(
    "endpoint",
    [
        "sgp1.example.com",
        "ftp://sgp1.example.com",
        "https://",
        "https://sgp1.example.com/bucket",
        "https://sgp1.example.com?x=1",
        "https://key:secret@sgp1.example.com",
        "https://sgp1.example.com:0",
        "https://sgp1.example.com:port",
        "https://[mallory]",
    ],
)
def test_an_endpoint_is_scheme_host_and_port(endpoint: str) -> None:
    """Signing and the comparison of origins rest on it."""
    assert problems(SPACES_ENDPOINT=endpoint) == "SPACES_ENDPOINT is not scheme://host[:port]"


@pytest.mark.parametrize("name", ["FETCH_TIMEOUT_S", "OCR_TIMEOUT_S"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0", "3601", "soon"])
def test_a_time_limit_is_a_number_of_seconds_up_to_an_hour(name: str, value: str) -> None:
    """No limit would be no limit."""
    assert problems(**{name: value}).startswith(name)


@pytest.mark.parametrize("bucket", ["a/b", "..", "-a", "a", "b" * 64, "a b"])
def test_a_bucket_is_a_name(bucket: str) -> None:
    """It becomes part of paths and host names."""
    assert problems(SPACES_BUCKET=bucket).startswith("SPACES_BUCKET")


def test_listed_origins_are_trimmed_and_lower_case() -> None:
    """Commas between, white space around, a slash at the end."""
    listed = WorkerSettings.from_environ(
        NEEDED | {"ARTIFACT_URL_ALLOWED_ORIGINS": " https://A.example/ ,, http://b.example:8080 "}
    )
    assert listed.artifact_url_allowed_origins == ("https://a.example", "http://b.example:8080")


@pytest.mark.parametrize(
    ("endpoint", "allow", "env", "allowed"),
    [
        ("https://sgp1.example.com", "no", "dev", False),
        ("https://sgp1.example.com", "yes", "dev", True),
        ("https://sgp1.example.com", "yes", "prod", False),
        ("http://127.0.0.1:9000", "no", "dev", True),
        ("http://localhost:9000", "no", "dev", True),
        ("http://[::1]:9000", "no", "dev", True),
        ("http://127.0.0.1.example.com", "no", "dev", False),
    ],
)
def test_plaintext_needs_a_loopback_store_or_the_operators_word(
    endpoint: str, allow: str, env: str, *, allowed: bool
) -> None:
    """SPEC 6: and that word does not count in production."""
    changes = {"SPACES_ENDPOINT": endpoint, "ALLOW_PLAINTEXT": allow, "SERVICE_ENV": env}
    assert WorkerSettings.from_environ(NEEDED | changes).plaintext_allowed is allowed


def test_the_secret_does_not_show_when_settings_are_printed() -> None:
    """A log line or a traceback must not hold it."""
    assert "hush-hush" not in repr(WorkerSettings.from_environ(NEEDED))
