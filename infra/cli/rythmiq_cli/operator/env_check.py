"""Checks whether an environment can be deployed and run: every variable of infra/env/touch.env, by component.

Four rules meet here: doctl's (every `${NAME}` of project.yml has a value, `-` stands for none, and a value is text
inside double quotes of YAML), the settings' own, those between components (the worker must name the API's store), and
what operators get wrong though each value by itself can be used: `mistakes` are refused, `doubts` only warn. No value
is ever printed.

Source: docs/specification/configuration.md; doctl's deployer as in docs/digitalocean-functions.md;
supabase.com/docs/guides/api/api-keys.
"""

import base64
import json
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from rythmiq.contracts.errors import SettingsError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.settings import EnvironmentSettings, is_on_loopback
from rythmiq.settings.api import (
    AccountSettings,
    AppSettings,
    HealthSettings,
    MetricsSettings,
    PublicSettings,
    UploadsSettings,
)
from rythmiq.settings.execution import JobsSettings, ReconcileSettings, WebhooksSettings
from rythmiq.settings.worker import LauncherSettings, WorkerSettings
from rythmiq_cli.operator import carried, is_set

Component = Literal["api", "worker", "launcher"]
COMPONENTS: tuple[Component, ...] = ("api", "worker", "launcher")
State = Literal["ok", "unset", "missing", "unusable", "unknown"]

_ROW = re.compile(r"^# ([A-Z_]+) +\|([^|\n]*)\|([^|\n]*)\|([^|\n]*)\|([^|\n]*)$", re.MULTILINE)
_UNCARRIED = {
    '"': "a double quote",
    "'": "a single quote",
    "\\": "a backslash",
    "#": "a #, after which doctl may read a comment",
    "${": "a ${, which doctl would replace",
}
_MADE_UP_URL = "https://platform.invalid"
_SAME_STORE = (
    ("SPACES_ENDPOINT", "DO_SPACES_ENDPOINT"),
    ("SPACES_REGION", "DO_SPACES_REGION"),
    ("SPACES_BUCKET", "DO_SPACES_BUCKET"),
)
Said = tuple[str, str]
_URLS = ("PUBLIC_URL", "SUPABASE_URL", "DO_SPACES_ENDPOINT", "SPACES_ENDPOINT")
_LISTS = ("ALLOWED_ORIGINS", "ARTIFACT_URL_ALLOWED_ORIGINS")
_MADE_UP = (
    *("WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS", "RECONCILE_SECRET", "RECONCILE_SECRET_PREVIOUS", "METRICS_TOKEN"),
    *("SUPABASE_JWT_SECRET", "ENCRYPTION_KEYS", "DISPATCH_KEYS"),
)
_STORES = (
    ("DO_SPACES_ENDPOINT", "DO_SPACES_REGION", "DO_SPACES_BUCKET"),
    ("SPACES_ENDPOINT", "SPACES_REGION", "SPACES_BUCKET"),
)
_DIGITALOCEAN = "digitaloceanspaces.com"


@dataclass(frozen=True, slots=True)
class Deployed:
    """The deployment of a function: the settings that it reads, and its time limit."""

    reads: type[EnvironmentSettings]
    timeout_s: float = 10.0


FUNCTIONS: Mapping[str, Deployed] = {
    "api/uploads": Deployed(UploadsSettings),
    "api/jobs": Deployed(JobsSettings, timeout_s=60.0),
    "api/portals": Deployed(PublicSettings),
    "api/account": Deployed(AccountSettings),
    "api/health": Deployed(HealthSettings),
    "api/app": Deployed(AppSettings),
    "internal/webhooks": Deployed(WebhooksSettings, timeout_s=60.0),
    "internal/reconcile": Deployed(ReconcileSettings),
    "internal/metrics": Deployed(MetricsSettings),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the template's table."""

    name: str
    components: tuple[str, ...]
    required: str
    default: str
    is_secret: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of one variable; `said` never holds its value."""

    name: str
    state: State
    components: tuple[str, ...] = ()
    required: str = ""
    said: str = ""

    @property
    def is_well(self) -> bool:
        """Whether nothing needs to be done."""
        return self.state in {"ok", "unset"}


def template_text() -> str:
    """infra/env/touch.env."""
    return carried("env", "touch.env").read_text(encoding="utf-8")


def template_rows() -> tuple[Row, ...]:
    """The table of infra/env/touch.env."""
    return tuple(
        Row(name, tuple(components.split()), required.strip(), default.strip(), secret.strip() == "yes")
        for name, components, required, default, secret in _ROW.findall(template_text())
    )


def names_of_project(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The `${NAME}`s of a project.yml, and what in it would make doctl fail."""
    problems = [
        f"line {number} has a ${{ in a comment, which doctl replaces too"
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(r"#.*\$\{", line)
    ]
    return frozenset(re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", text)), tuple(problems)


def check(
    environ: Mapping[str, str], *, for_: Collection[str] = COMPONENTS, deployed: Collection[str] = ()
) -> tuple[Verdict, ...]:
    """Judge an environment.

    Args:
        environ: by name; of a process, only names that the template has.
        for_: the components that it is to serve.
        deployed: names that project.yml takes: each must be there, if only as `-`.
    """
    said = _settings_say(environ, for_)
    rows = {row.name: row for row in template_rows()}
    verdicts = []
    for name, row in rows.items():
        wanted = bool(set(row.components) & set(for_))
        if not wanted and name not in environ:
            continue
        state, words = _judged(name, environ, said, is_deployed=name in deployed and "api" in for_)
        verdicts.append(Verdict(name, state, row.components, row.required, words))
    verdicts += [
        Verdict(name, "missing", ("api",), said="is in project.yml and not in infra/env/touch.env")
        for name in sorted(set(deployed) - rows.keys())
        if "api" in for_ and not environ.get(name)
    ]
    verdicts += [
        Verdict(name, "unknown", said="is read by nothing")
        for name in environ
        if name not in rows and name not in deployed
    ]
    return tuple(verdicts)


def fingerprints(environ: Mapping[str, str]) -> dict[str, dict[int, str]]:
    """The fingerprint of each key by variable and kid; a ring that cannot be read is left out."""
    found = {}
    for name in ("ENCRYPTION_KEYS", "DISPATCH_KEYS"):
        try:
            found[name] = KeyRing.parse(environ[name]).fingerprints
        except (KeyError, ValueError):
            continue
    return found


def exported_otherwise(
    values: Mapping[str, str], deployed: Collection[str], process: Mapping[str, str]
) -> tuple[str, ...]:
    """Names of project.yml that a process exports with another value than the file's: doctl takes the process's first.

    Args:
        values: of the file.
        deployed: the names that project.yml takes.
        process: the environment of the shell that doctl would be called from.
    """
    return tuple(name for name in sorted(deployed) if process.get(name) and process[name] != values.get(name))


def _judged(name: str, environ: Mapping[str, str], said: Mapping[str, str], *, is_deployed: bool) -> tuple[State, str]:
    value = environ.get(name)
    if value and (uncarried := _uncarried(value)):
        return "unusable", uncarried
    if name in said:
        return "unusable" if is_set(environ, name) else "missing", said[name]
    if not value and is_deployed:
        return "missing", "is empty or missing, which doctl refuses; write - for a variable that is not set"
    return ("ok", "") if is_set(environ, name) else ("unset", "")


def _uncarried(value: str) -> str | None:
    """The reason why doctl cannot carry a value; None when it can."""
    for text, what in _UNCARRIED.items():
        if text in value:
            return f"contains {what}"
    if any(ord(char) < ord(" ") or char == "\x7f" for char in value):
        return "contains a line break or another control character"
    if value != value.strip():
        return "begins or ends with a space"
    return "still has the template's value" if value.startswith("your-") or "//your-" in value else None


def _settings_say(environ: Mapping[str, str], for_: Collection[str]) -> dict[str, str]:
    """The faults that each component's settings find, by variable."""
    said: dict[str, str] = {}
    for model in _models(for_):
        assumed = {} if is_set(environ, "PUBLIC_URL") else {"PUBLIC_URL": _MADE_UP_URL}  # the platform's own names it
        try:
            model.from_environ({**environ, **assumed})
        except SettingsError as error:
            for sentence in str(error).split("; "):
                name, _, words = sentence.partition(" ")
                said.setdefault(name, words)
    # A file of all variables may be judged for the worker too; one of the worker's own must not hold these.
    if "api" not in for_ and is_set(environ, "ENCRYPTION_KEYS") and not is_set(environ, "WEBHOOK_SECRET"):
        said["ENCRYPTION_KEYS"] = (
            "opens every object of every user, and neither worker nor launcher needs it: remove it"
        )
    if {"api", "worker"} <= set(for_):
        for worker, api in _SAME_STORE:
            if is_set(environ, worker) and is_set(environ, api) and environ[worker] != environ[api]:
                said.setdefault(worker, f"differs from {api}: the worker would refuse every job")
    for name, words in mistakes(environ):
        said.setdefault(name, words)
    return said


def _models(for_: Collection[str]) -> Iterator[type[EnvironmentSettings]]:
    if "api" in for_:
        yield from dict.fromkeys(function.reads for function in FUNCTIONS.values())
    if "worker" in for_:
        yield WorkerSettings
    if "launcher" in for_:
        yield LauncherSettings


def mistakes(environ: Mapping[str, str]) -> Iterator[Said]:
    """Yield a variable's name and what is wrong with it, for everything that must not be deployed."""
    yield from _unencrypted(environ)
    yield from _supabase_keys(environ)
    yield from _equal(environ)
    for store in _STORES:
        yield from _store(environ, *store)
    if environ.get("SERVICE_ENV") == "prod" and environ.get("ALLOW_PLAINTEXT") == "yes":
        yield "ALLOW_PLAINTEXT", "is yes, which SERVICE_ENV=prod does not allow: set it to -"


def doubts(environ: Mapping[str, str], file: Path | None) -> Iterator[str]:
    """Yield a sentence for everything that works and that an operator should change.

    Args:
        environ: the variables.
        file: where they were read; None for a process's own.
    """
    if file is not None and (others := _others_may(file)):
        yield f"{file} can be {others} by other users of this machine: chmod 600 {file}"
    if is_set(environ, "SPACES_KEY") and environ["SPACES_KEY"] == environ.get("DO_SPACES_ACCESS_KEY"):
        yield "SPACES_KEY is DO_SPACES_ACCESS_KEY: give the worker a key of its own, which can be revoked alone"
    if environ.get("SERVICE_ENV") == "prod" and environ.get("ALLOWED_ORIGINS", "") == "*":
        yield "ALLOWED_ORIGINS is *: any page that obtains a token can call the API with it; list your own pages"


def _unencrypted(environ: Mapping[str, str]) -> Iterator[Said]:
    """Addresses by http outside this machine, in a deployment that others use."""
    if environ.get("SERVICE_ENV") not in {"staging", "prod"}:
        return
    for name in (*_URLS, *_LISTS):
        parts = environ[name].split(",") if is_set(environ, name) else []
        if any(part.strip().lower().startswith("http:") and not is_on_loopback(part.strip()) for part in parts):
            yield name, "is http: keys and pictures could be read in transit; write https"


def _supabase_keys(environ: Mapping[str, str]) -> Iterator[Said]:
    for name, is_due, other in (
        ("SUPABASE_ANON_KEY", "public", "SUPABASE_SERVICE_ROLE_KEY"),
        ("SUPABASE_SERVICE_ROLE_KEY", "secret", "SUPABASE_ANON_KEY"),
    ):
        kind = _kind_of_key(environ.get(name, ""))
        if kind is not None and kind != is_due:
            harm = "which bypasses row level security" if kind == "secret" else "which cannot write"
            yield name, f"is the project's {kind} key, {harm}: put it in {other}, and the {is_due} key here"


def _kind_of_key(value: str) -> str | None:
    """`public` or `secret`; None of what is no key of Supabase's."""
    if value.startswith(("sb_publishable_", "sb_secret_")):
        return "public" if value.startswith("sb_publishable_") else "secret"
    parts = value.split(".")
    if len(parts) != 3:  # noqa: PLR2004  a JWT
        return None
    try:
        role = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))).get("role")
    except (ValueError, AttributeError):
        return None
    return {"anon": "public", "service_role": "secret"}.get(str(role))


def _equal(environ: Mapping[str, str]) -> Iterator[Said]:
    """Variables that share a secret: whoever learns one knows the other."""
    held = {name: _secrets_of(name, environ[name]) for name in _MADE_UP if is_set(environ, name)}
    for first, second in combinations(held, 2):
        if held[first] & held[second]:
            yield second, f"is the same secret as {first}: make another, so that a leak of one does not expose both"


def _secrets_of(name: str, value: str) -> frozenset[str]:
    """The secrets of a value; of a ring its keys without their kids."""
    if not name.endswith("_KEYS"):
        return frozenset({value})
    return frozenset(part.strip().partition(":")[2] for part in value.split(","))


def _store(environ: Mapping[str, str], endpoint: str, region: str, bucket: str) -> Iterator[Said]:
    if not is_set(environ, endpoint):
        return
    try:
        host = urlsplit(environ[endpoint]).hostname or ""
    except ValueError:
        return  # the settings say so
    labels = host.split(".")
    is_digitaloceans = host.endswith(f".{_DIGITALOCEAN}")
    named = environ.get(bucket, "").lower()
    if (is_set(environ, bucket) and host.startswith(f"{named}.")) or (is_digitaloceans and len(labels) > 3):  # noqa: PLR2004  region and domain
        yield endpoint, f"includes the bucket: write the region's address alone, and the bucket's name in {bucket}"
    elif is_digitaloceans and is_set(environ, region) and labels[0] != environ[region]:
        yield region, f"is not the region of {endpoint}, which would refuse every signature"


def _others_may(file: Path) -> str:
    """What others may do with a file: `read`, `changed`, both or nothing."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return ""
    may = {"read": stat.S_IRGRP | stat.S_IROTH, "changed": stat.S_IWGRP | stat.S_IWOTH}
    return " and ".join(word for word, bits in may.items() if mode & bits)
