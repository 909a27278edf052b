"""Settings: what worker and functions read from their environment, and how they say that they cannot."""

import pytest

from rythmiq.contracts.errors import SettingsError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.settings import EnvironmentSettings
from rythmiq.settings.api import AccountSettings, HealthSettings, MetricsSettings, PublicSettings, UploadsSettings
from rythmiq.settings.execution import JobsSettings, ReconcileSettings, WebhooksSettings
from rythmiq.settings.worker import LauncherSettings, WorkerSettings

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
    """Everything else has the default that docs/specification/configuration.md names."""
    settings = WorkerSettings.from_environ(NEEDED)
    assert (settings.fetch_timeout_s, settings.ocr_timeout_s) == (30.0, 60.0)
    assert (settings.max_upload_bytes, settings.max_pixels, settings.max_pages) == (20 * 2**20, 80_000_000, 10)
    assert (settings.service_env, settings.ocr_engine, settings.allow_plaintext) == ("dev", "rapidocr", "no")
    assert settings.artifact_url_allowed_origins == ()
    assert settings.ocr_models_dir is None


@pytest.mark.parametrize("unset", ["-", ""])
def test_a_dash_and_nothing_read_as_unset(unset: str) -> None:
    """Doctl refuses empty and missing values, so a template writes a dash."""
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
    """And that word does not count in production."""
    changes = {"SPACES_ENDPOINT": endpoint, "ALLOW_PLAINTEXT": allow, "SERVICE_ENV": env}
    assert WorkerSettings.from_environ(NEEDED | changes).plaintext_allowed is allowed


def test_the_secret_does_not_show_when_settings_are_printed() -> None:
    """A log line or a traceback must not hold it."""
    assert "hush-hush" not in repr(WorkerSettings.from_environ(NEEDED))


# --- the functions' --------------------------------------------------------------------------------------------------

DEPLOYED = {
    "SUPABASE_URL": "https://project.supabase.example/",
    "SUPABASE_ANON_KEY": "sb_publishable_x",
    "SUPABASE_SERVICE_ROLE_KEY": "hush-hush",
    "DO_SPACES_ENDPOINT": "https://sgp1.example.com",
    "DO_SPACES_REGION": "sgp1",
    "DO_SPACES_BUCKET": "rythmiq",
    "DO_SPACES_ACCESS_KEY": "key",
    "DO_SPACES_SECRET_KEY": "hush-hush",
    "ENCRYPTION_KEYS": KeyRing.new_entry(2) + "," + KeyRing.new_entry(1),
    "DISPATCH_KEYS": KeyRing.new_entry(1),
    "EXECUTOR": "local",
    "LOCAL_EXECUTOR_URL": "http://127.0.0.1:8400",
    "WEBHOOK_SECRET": "hush-hush-hush-hush",
    "RECONCILE_SECRET": "hush-hush-hush-tick",
    "PUBLIC_URL": "https://api.example.org/",
}


def named(model: type[EnvironmentSettings], given: dict[str, str]) -> list[str]:
    """The variables that the one message about an environment names."""
    with pytest.raises(SettingsError) as refused:
        model.from_environ(given)
    assert "hush" not in str(refused.value)
    return [problem.partition(" ")[0] for problem in str(refused.value).split("; ")]


def without(*names: str) -> dict[str, str]:
    """A whole environment but for these."""
    return {name: value for name, value in DEPLOYED.items() if name not in names}


def test_a_whole_environment_has_the_defaults_of_the_specification() -> None:
    """The limits' defaults."""
    jobs, uploads = JobsSettings.from_environ(DEPLOYED), UploadsSettings.from_environ(DEPLOYED)
    assert (uploads.upload_method, uploads.upload_url_ttl_s) == ("put", 900)
    assert (jobs.download_url_ttl_s, jobs.output_url_ttl_s, jobs.max_upload_bytes) == (3_600, 86_400, 20 * 2**20)
    assert (jobs.max_inflight, jobs.max_attempts, jobs.max_active_jobs, jobs.initial_credits) == (4, 3, 20, 3)
    assert (jobs.wait_max_s, jobs.job_timeout_s, jobs.lease_s) == (10, 240, 300)
    assert (jobs.service_env, jobs.allowed_origins, jobs.verifies_by) == ("dev", (), "jwks")
    assert (jobs.supabase_url, jobs.public_url) == ("https://project.supabase.example", "https://api.example.org")


def test_everything_that_is_missing_is_named_at_once_between_variables_too() -> None:
    """A cross-check speaks though plain fields beside it are missing."""
    assert set(named(JobsSettings, {})) == {
        "WEBHOOK_SECRET",
        "DO_SPACES_ENDPOINT",
        "DO_SPACES_REGION",
        "DO_SPACES_BUCKET",
        "DO_SPACES_ACCESS_KEY",
        "DO_SPACES_SECRET_KEY",
        "SUPABASE_URL",
        "SUPABASE_ANON_KEY",
        "SUPABASE_SERVICE_ROLE_KEY",
        "ENCRYPTION_KEYS",
        "DISPATCH_KEYS",
        "PUBLIC_URL",
        "CAMBER_API_URL",
        "CAMBER_API_KEY",
        "CAMBER_STASH_PATH",
    }
    wrong = DEPLOYED | {"MAX_INFLIGHT": "0", "EXECUTOR": "camber", "DO_SPACES_ENDPOINT": "x", "AUTH_MODE": "secret"}
    assert set(named(JobsSettings, wrong)) == {
        "MAX_INFLIGHT",
        "DO_SPACES_ENDPOINT",
        "CAMBER_API_URL",
        "CAMBER_API_KEY",
        "CAMBER_STASH_PATH",
        "SUPABASE_JWT_SECRET",
    }


def test_a_database_url_stands_in_for_supabases_keys() -> None:
    """The issuer of tokens is needed all the same."""
    given = without("SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY") | {"DATABASE_URL": "postgresql://x"}
    assert JobsSettings.from_environ(given).database_url is not None
    assert WebhooksSettings.from_environ({k: v for k, v in given.items() if k != "SUPABASE_URL"}).supabase_url is None
    assert named(AccountSettings, {"DATABASE_URL": "postgresql://x"}) == ["SUPABASE_URL"]
    assert named(AccountSettings, {"SUPABASE_URL": "https://a.example", "SUPABASE_ANON_KEY": "x"}) == [
        "SUPABASE_SERVICE_ROLE_KEY"
    ]


@pytest.mark.parametrize(
    ("given", "by"),
    [
        ({}, "jwks"),
        ({"SUPABASE_JWT_SECRET": "s" * 32}, "secret"),
        ({"SUPABASE_JWT_SECRET": "s" * 32, "AUTH_MODE": "jwks"}, "jwks"),
        ({"SUPABASE_JWT_SECRET": "s" * 32, "AUTH_MODE": "secret"}, "secret"),
        ({"SUPABASE_JWT_SECRET": "-", "AUTH_MODE": "-"}, "jwks"),
    ],
)
def test_the_secret_verifies_where_there_is_one_and_nothing_else_is_said(given: dict[str, str], by: str) -> None:
    """How users are verified."""
    assert AccountSettings.from_environ(DEPLOYED_FOR_ACCOUNT | given).verifies_by == by


DEPLOYED_FOR_ACCOUNT = {name: value for name, value in DEPLOYED.items() if name.startswith("SUPABASE")}


SECRETS = [
    (JobsSettings, "SUPABASE_JWT_SECRET", 32),  # RFC 7518 3.2
    (AccountSettings, "SUPABASE_JWT_SECRET", 32),
    (JobsSettings, "WEBHOOK_SECRET", 16),
    (WebhooksSettings, "WEBHOOK_SECRET_PREVIOUS", 16),
    (ReconcileSettings, "RECONCILE_SECRET", 16),
    (ReconcileSettings, "RECONCILE_SECRET_PREVIOUS", 16),
    (MetricsSettings, "METRICS_TOKEN", 16),
    (HealthSettings, "METRICS_TOKEN", 16),
]


@pytest.mark.parametrize(("model", "name", "least"), SECRETS)
@pytest.mark.parametrize("env", ["staging", "prod"])
def test_a_secret_that_can_be_guessed_is_refused_outside_dev(
    model: type[EnvironmentSettings], name: str, least: int, env: str
) -> None:
    """And its own length is not told."""
    given = {**DEPLOYED, "METRICS_TOKEN": "m" * 16, "SERVICE_ENV": env}
    with pytest.raises(SettingsError) as refused:
        model.from_environ(given | {name: "s" * (least - 1)})
    assert str(refused.value) == f"{name} has fewer than {least} characters"
    model.from_environ(given | {name: "s" * least})


@pytest.mark.parametrize(("model", "name"), [secret[:2] for secret in SECRETS])
@pytest.mark.parametrize("env", ["dev", "-"])
def test_in_dev_any_secret_will_do(model: type[EnvironmentSettings], name: str, env: str) -> None:
    """Tests and demos make up short ones."""
    model.from_environ({**DEPLOYED, "METRICS_TOKEN": "m" * 16, "SERVICE_ENV": env, name: "s"})


@pytest.mark.parametrize("keys", ["hush", "1:hush", "0:" + "A" * 43 + "=", "1:" + "A" * 43 + "=,1:" + "A" * 43 + "="])
@pytest.mark.parametrize(
    ("model", "name"),
    [(UploadsSettings, "ENCRYPTION_KEYS"), (LauncherSettings, "DISPATCH_KEYS"), (JobsSettings, "DISPATCH_KEYS")],
)
def test_a_key_ring_that_cannot_be_read_is_a_problem_of_its_variable(
    model: type[EnvironmentSettings], name: str, keys: str
) -> None:
    """And not of the first job."""
    assert named(model, DEPLOYED | {name: keys}) == [name]


@pytest.mark.parametrize("model", [JobsSettings, WebhooksSettings, ReconcileSettings])
def test_where_there_are_data_keys_there_must_be_dispatch_keys(model: type[EnvironmentSettings]) -> None:
    """Also where plaintext is allowed: a dispatch object holds data keys."""
    for changes in ({}, {"ALLOW_PLAINTEXT": "yes"}, {"DO_SPACES_ENDPOINT": "http://127.0.0.1:9000"}):
        assert named(model, without("DISPATCH_KEYS") | changes) == ["DISPATCH_KEYS"]
    plain = {"ALLOW_PLAINTEXT": "yes"}
    model.from_environ(without("DISPATCH_KEYS", "ENCRYPTION_KEYS") | plain)
    assert named(model, without("DISPATCH_KEYS", "ENCRYPTION_KEYS")) == ["ENCRYPTION_KEYS", "DISPATCH_KEYS"]


def test_the_launcher_and_uploads_take_no_ring_that_they_do_not_need() -> None:
    """H4: what the worker's machine holds opens the orders of a day, and no user's objects."""
    assert "ENCRYPTION_KEYS" not in {*LauncherSettings.variables().values(), *WorkerSettings.variables().values()}
    assert "DISPATCH_KEYS" not in {*UploadsSettings.variables().values(), *WorkerSettings.variables().values()}


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, True),
        ({"ALLOW_PLAINTEXT": "yes"}, False),
        ({"ALLOW_PLAINTEXT": "yes", "SERVICE_ENV": "staging"}, False),
        ({"ALLOW_PLAINTEXT": "yes", "SERVICE_ENV": "prod"}, True),
        ({"DO_SPACES_ENDPOINT": "http://127.0.0.1:9000"}, False),
    ],
)
def test_keys_are_needed_wherever_plaintext_may_not_stand(changes: dict[str, str], *, refused: bool) -> None:
    """Where plaintext is allowed."""
    given = without("ENCRYPTION_KEYS") | changes
    if refused:
        assert named(UploadsSettings, given) == ["ENCRYPTION_KEYS"]
    else:
        assert UploadsSettings.from_environ(given).plaintext_allowed


@pytest.mark.parametrize("host", ["https://faas.example", "faas.example", "https://faas.example/"])
def test_the_platform_tells_where_it_is(host: str) -> None:
    """`PUBLIC_URL` by default."""
    told = {"__OW_API_HOST": host, "__OW_NAMESPACE": "fn-1"}
    given = without("PUBLIC_URL") | told
    assert JobsSettings.from_environ(given).public_url == "https://faas.example/api/v1/web/fn-1"
    assert JobsSettings.from_environ(given | {"PUBLIC_URL": "-"}).public_url.endswith("/fn-1")
    assert JobsSettings.from_environ(DEPLOYED | told).public_url == "https://api.example.org"
    assert named(JobsSettings, without("PUBLIC_URL") | {"__OW_NAMESPACE": "fn-1"}) == ["PUBLIC_URL"]


@pytest.mark.parametrize(
    "url", ["api.example.org", "ftp://api.example.org", "https://a b", "https://a?x=1", "https://a#b"]
)
def test_a_public_url_is_http_without_query(url: str) -> None:
    """Paths are appended to it."""
    assert named(JobsSettings, DEPLOYED | {"PUBLIC_URL": url}) == ["PUBLIC_URL"]


def test_pages_are_listed_as_origins_or_as_all() -> None:
    """`*` may stand among others."""
    listed = PublicSettings.from_environ({"ALLOWED_ORIGINS": "https://A.example, http://localhost:5173/,*"})
    assert listed.allowed_origins == ("https://a.example", "http://localhost:5173", "*")
    assert named(PublicSettings, {"ALLOWED_ORIGINS": "https://a.example/path"}) == ["ALLOWED_ORIGINS"]


def test_no_secret_shows_when_settings_are_printed() -> None:
    """A log line or a traceback must not hold it."""
    shown = repr(JobsSettings.from_environ(DEPLOYED))
    assert "hush" not in shown
    assert DEPLOYED["ENCRYPTION_KEYS"] not in shown
