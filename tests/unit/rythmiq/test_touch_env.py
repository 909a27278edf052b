"""The template of the environment holds exactly the names that the code reads, and says of each what is so."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from rythmiq.contracts.errors import SettingsError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.settings import EnvironmentSettings
from rythmiq.settings.api import (
    AccountSettings,
    AppSettings,
    HealthSettings,
    MetricsSettings,
    PublicSettings,
    UploadsSettings,
)
from rythmiq.settings.execution import ExecutorSettings, JobsSettings, ReconcileSettings, WebhooksSettings
from rythmiq.settings.worker import LauncherSettings, WorkerSettings

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "infra" / "env" / "touch.env").read_text(encoding="utf-8")
VALUES = dict(re.findall(r"^([A-Z_]+)=(.*)$", TEXT, re.MULTILINE))
ROWS = {
    row[0]: tuple(cell.strip() for cell in row[1:])
    for row in re.findall(
        r"^# ([A-Z_]+) +\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)$", TEXT.replace("# name", "#name"), re.MULTILINE
    )
}
MADE_ANEW = {"ENCRYPTION_KEYS", "DISPATCH_KEYS", "WEBHOOK_SECRET", "RECONCILE_SECRET", "METRICS_TOKEN"}
FUNCTIONS: list[type[EnvironmentSettings]] = [
    UploadsSettings,
    JobsSettings,
    AccountSettings,
    WebhooksSettings,
    ReconcileSettings,
    MetricsSettings,
    HealthSettings,
    PublicSettings,
    AppSettings,
]


def fields_of(*models: type[EnvironmentSettings]) -> dict[str, FieldInfo]:
    """Every variable that these settings read, with its field."""
    return {model.variables()[name]: field for model in models for name, field in model.model_fields.items()}


def names_of_the_command() -> set[str]:
    """What the command's options read from the environment."""
    sources = (ROOT / "infra" / "cli").rglob("*.py")
    return {name for path in sources for name in re.findall(r'envvar="([A-Z_]+)"', path.read_text(encoding="utf-8"))}


def is_secret(field: FieldInfo) -> bool:
    """Whether the settings keep a value out of sight."""
    return SecretStr.__name__ in repr(field.annotation)


ALL = fields_of(*FUNCTIONS, WorkerSettings, LauncherSettings)


def test_it_names_what_the_code_reads_and_nothing_else() -> None:
    assert set(VALUES) == set(ALL) | names_of_the_command()


def test_its_table_has_a_row_for_each_name_in_the_same_order() -> None:
    assert list(ROWS) == list(VALUES)


@pytest.mark.parametrize("name", ALL)
def test_its_table_says_which_component_reads_a_name(name: str) -> None:
    reads: dict[str, list[type[EnvironmentSettings]]] = {
        "api": FUNCTIONS,
        "worker": [WorkerSettings],
        "launcher": [LauncherSettings],
    }
    readers = [component for component, models in reads.items() if name in fields_of(*models)]
    assert ROWS[name][0].split() == readers


@pytest.mark.parametrize("name", ALL)
def test_its_table_says_what_a_name_is_when_it_is_not_set(name: str) -> None:
    field, (_, required, default, _) = ALL[name], ROWS[name]
    if default in {"", "none", "platform", "by secret"}:
        assert field.default in {None, (), ""} or field.is_required()
    else:
        shown = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
        assert shown.removesuffix(".0") == default
    assert not field.is_required() or required == "always"


@pytest.mark.parametrize("executor", ["camber", "kubernetes", "local", "hold"])
def test_its_table_says_what_an_executor_needs(executor: str) -> None:
    """By what the settings ask for when nothing of it is set."""
    given = {"EXECUTOR": executor, "PUBLIC_URL": "https://api.example.org", "WEBHOOK_SECRET": "w" * 16}
    asked: set[str] = set()
    try:
        ExecutorSettings.from_environ(given)
    except SettingsError as refused:
        asked = {problem.partition(" ")[0] for problem in str(refused).split("; ")}
    assert {name for name, row in ROWS.items() if row[1] == f"EXECUTOR={executor}"} == asked


@pytest.mark.parametrize("name", ALL)
def test_its_table_says_what_is_secret(name: str) -> None:
    assert (ROWS[name][3] == "yes") is is_secret(ALL[name])


def test_it_is_refused_until_the_secrets_have_been_made() -> None:
    with pytest.raises(SettingsError) as refused:
        ReconcileSettings.from_environ(VALUES | {"PUBLIC_URL": "https://api.example.org"})
    assert {problem.partition(" ")[0] for problem in str(refused.value).split("; ")} == MADE_ANEW - {"METRICS_TOKEN"}
    with pytest.raises(SettingsError, match=r"^METRICS_TOKEN[^;]*$"):
        MetricsSettings.from_environ(VALUES)


@pytest.mark.parametrize("model", [*FUNCTIONS, WorkerSettings, LauncherSettings], ids=lambda model: model.__name__)
def test_filled_in_it_can_be_read(model: type[EnvironmentSettings]) -> None:
    keys = {name: KeyRing.new_entry(1) for name in ("ENCRYPTION_KEYS", "DISPATCH_KEYS")}
    made = dict.fromkeys(MADE_ANEW, "s" * 16) | keys
    model.from_environ(VALUES | made | {"PUBLIC_URL": "https://api.example.org"})


def test_no_value_holds_what_the_deployer_cannot_carry() -> None:
    assert not [name for name, value in VALUES.items() if not value or re.search(r"[\"'\\\n$]", value)]
