"""Every name on the wire of Camber's undocumented API; no other module of ours knows any of them.

Each is `verified` (somebody saw it live) or `inferred` (nobody did), with the evidence. What is inferred can be set
from the environment, so that a name that proves to be another needs no release; `rythmiq camber doctor` says which.

Source: docs/camber.md. DOC is Camber's documentation, FIELD other people's live runs written down in public,
INFERRED ours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from rythmiq.contracts.errors import RythmiqError

Evidence = Literal["verified", "inferred"]
State = Literal["queued", "starting", "running", "succeeded", "failed", "cancelled", "unknown"]


@dataclass(frozen=True, slots=True)
class Name:
    """One name on the wire.

    Attributes:
        what: what goes by it.
        default: the name.
        evidence: whether somebody saw it live.
        source: who, and how.
        variable: the environment's name that replaces it; None when it is not to be replaced.
    """

    what: str
    default: str
    evidence: Evidence
    source: str
    variable: str | None = None


NAMES = (
    Name("base address", "https://api-v2.cambercloud.com/api/cli", "verified", "FIELD, twice", "CAMBER_API_URL"),
    Name("authorization", "Authorization: Bearer", "verified", "DOC camber-cli/login; FIELD"),
    Name("who am I", "/me", "verified", "FIELD, twice: user_id, email, username, teams"),
    Name("one job", "/jobs/{id}", "verified", "FIELD: the CLI's own request, seen by GODEBUG=http2debug=2, and curl"),
    Name("list of jobs", "/jobs", "inferred", "behind `camber job list`; beside the verified path", "CAMBER_PATH_JOBS"),
    Name("new job", "POST /jobs", "inferred", "beside the verified path", "CAMBER_PATH_JOBS"),
    Name("logs of a job", "/jobs/{id}/logs", "inferred", "behind `camber job logs`", "CAMBER_PATH_LOGS"),
    Name("length of the list", "size=50", "inferred", "`camber job list --size 50` (FIELD)", "CAMBER_LIST_QUERY"),
    Name("envelope", "code, message, data, error_details", "verified", "FIELD, on agent routes; 0 is good"),
    Name("create: command", "command", "inferred", "DOC CamberJob.create; echoed so", "CAMBER_CREATE_FIELDS"),
    Name("create: engine", "engine_type", "inferred", "DOC CamberJob.create", "CAMBER_CREATE_FIELDS"),
    Name("create: size", "node_size", "inferred", "DOC, newer pages; older ones: engine_size", "CAMBER_CREATE_FIELDS"),
    Name("create: path", "mount_dir", "inferred", "DOC CamberJob.create; echoed so", "CAMBER_CREATE_FIELDS"),
    Name("answer: id", "job_id", "verified", "FIELD: an integer"),
    Name("answer: status", "job_status", "verified", "FIELD; DOC reference/job-attributes"),
    Name("answer: instants", "created_at, started_at, finished_at", "verified", "FIELD"),
    Name("answer: command", "command", "inferred", "shown by the SDK and the page", "CAMBER_COMMAND_FIELD"),
    Name("states", "PENDING ... CANCELLED", "verified", "DOC reference/job-attributes; FIELD"),
)
"""What `rythmiq camber doctor` reports on."""

STATES: Mapping[str, State] = MappingProxyType(
    {
        "SUBMITTED": "queued",
        "QUEUED": "queued",
        "PENDING": "queued",
        "PROVISIONING": "starting",
        "INITIALIZING": "starting",
        "RUNNING": "running",
        "COMPLETED": "succeeded",
        "FAILED": "failed",
        "CANCELLED": "cancelled",
        "CANCELED": "cancelled",
    }
)
"""`succeeded` says that the command exited with 0, not that the document is well."""
TERMINAL: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})

GOOD_CODE, VALIDATION_CODE, DOMAIN_CODE = 0, 1, 2
"""Of the envelope."""

CREATE_FIELDS = ("command", "engine", "size", "path")
_DEFAULT_FIELDS = MappingProxyType(
    {"command": "command", "engine": "engine_type", "size": "node_size", "path": "mount_dir"}
)


@dataclass(frozen=True, slots=True)
class Wire:
    """The names in force: the defaults, or what the environment puts in their place.

    Attributes:
        path_jobs: where jobs are created and listed; one job is below it.
        path_logs: where a job's logs are, `{id}` standing for its number.
        list_query: what asks for a long list.
        create_fields: the body's names for `CREATE_FIELDS`.
        command_field: the answer's name for the command.
    """

    path_jobs: str = "/jobs"
    path_logs: str = "/jobs/{id}/logs"
    list_query: str = "size=50"
    create_fields: Mapping[str, str] = field(default_factory=lambda: _DEFAULT_FIELDS)
    command_field: str = "command"

    path_me = "/me"
    id_fields = ("job_id", "id")
    status_fields = ("job_status", "status")
    instants = ("created_at", "started_at", "finished_at")
    envelope_code, envelope_data, envelope_details = "code", "data", "error_details"
    list_fields = ("jobs", "items")
    logs_fields = ("logs", "log")

    @classmethod
    def of(
        cls, *, path_jobs: str, path_logs: str, list_query: str, create_fields: Iterable[str], command_field: str
    ) -> "Wire":
        """The names as the environment has them; `create_fields` are pairs, `size=engine_size`, over the defaults."""
        replaced = dict(pair.split("=", 1) for pair in create_fields)
        return cls(path_jobs, path_logs, list_query, {**_DEFAULT_FIELDS, **replaced}, command_field)

    @property
    def listed(self) -> int:
        """How many jobs a full list holds, by its query; 50 when that does not say."""
        digits = self.list_query.rpartition("=")[2]
        return int(digits) if digits.isdecimal() else 50


@dataclass(frozen=True, slots=True)
class JobConfig:
    """What Camber is asked to run every job with.

    Attributes:
        program: the launcher, as a job's working directory has it.
        engine: `base` is evidenced; the engine that would take an image is not.
        size: of the node; `xxsmall` has 4 CPUs and 16 GB.
        path: the Stash folder that is mounted as the working directory; None leaves it out.
    """

    program: str = "./rythmiq-launch"
    engine: str = "base"
    size: str = "xxsmall"
    path: str | None = None


class CamberError(RythmiqError):
    """Something went wrong with Camber; the message holds no key, and of Camber's own words what names a field."""


class CamberRejectedError(CamberError):
    """Camber refuses for good."""


class CamberAuthError(CamberError):
    """Camber refuses the key."""


class CamberUnavailableError(CamberError):
    """Camber does not answer now, or answers what we do not understand."""


class CamberAmbiguousError(CamberError):
    """Nobody knows whether Camber took the job; look it up before submitting again."""
