"""`rythmiq doctor` and `rythmiq camber doctor`: probe a deployment, or Camber, and say what to fix or set."""

import asyncio
import json
import re
import shlex
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape

from rythmiq.contracts.errors import SettingsError
from rythmiq_cli.operator import AnyCloud, EnvFile, is_set, operator_environ, owners_database_url
from rythmiq_cli.output import EPILOG, ExitCode, plain, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rythmiq.settings.execution import CamberSettings
    from rythmiq_cli.doctor import Area, Finding
    from rythmiq_cli.doctor.camber import CamberChecks
    from rythmiq_cli.doctor.camber import Finding as CamberFinding

camber_app = typer.Typer(
    help="Verify what is only inferred of Camber's API (operator).", no_args_is_help=True, epilog=EPILOG
)

_COLOURS = {
    "ok": "green",
    "warning": "yellow",
    "broken": "red",
    "unreachable": "red",
    "verified": "green",
    "open": "yellow",
    "differs": "red",
}
_OURS = re.compile(r"`rythmiq (env check|spaces apply|doctor|migrate|keys (?:list|rotate|retire))((?: [^`]*)?)`")
_MIGRATE_BY_HAND = '`read -rs OWNER_URL; DATABASE_URL="$OWNER_URL" rythmiq migrate{rest}`'
_STATES = ("ok", "warning", "broken", "unreachable")


def doctor(  # noqa: PLR0913, PLR0917  typer reads an option off a parameter
    env_file: EnvFile = None,
    cloud: AnyCloud = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Where the functions are, when PUBLIC_URL is not set; default: doctl is asked."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="store, database or functions; repeatable. Default: all.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option("--origin", help="A page's origin, as with `spaces apply`; repeatable.")
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--record-events",
            metavar="FILE",
            help="Probe nothing; record what the platform makes of requests, with the function of infra/recorder.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every finding as JSON.")] = False,
) -> None:
    """Probe a real deployment's store, database and functions: for each, whether it works and what to fix.

    It writes nothing but a few objects below raw/ of users that do not exist, which it deletes again, and reports the
    progress of a job that does not exist, to see WEBHOOK_SECRET taken. Where the file leaves DATABASE_URL unset and
    the environment has it, the database is probed both directly and by the Data API.
    Exit codes: 1 something is broken, 4 something does not answer; warnings are 0.
    """
    environ = dict(operator_environ(env_file, cloud))
    from rythmiq_cli.doctor.run import AREAS, record_events, run_probes  # noqa: PLC0415  heavy for `--help`

    areas = tuple(only or AREAS)
    if unknown := [area for area in areas if area not in AREAS]:
        usage(f"--only is one of {', '.join(AREAS)}, not {unknown[0]}")
    if url is not None:
        environ["PUBLIC_URL"] = url
    if not any(is_set(environ, name) for name in ("DO_SPACES_ENDPOINT", "DATABASE_URL", "SUPABASE_URL", "PUBLIC_URL")):
        usage("no deployment is named: give --env FILE, or --cloud DIR of a running `rythmiq up`")
    findings = []
    console = Console(highlight=False)
    owner_url = owners_database_url(environ, env_file)
    given = Given(env_file, cloud, tuple(origin or ()), knows_owner=owner_url is not None)
    probes = run_probes(environ, cast("tuple[Area, ...]", areas), tuple(origin or ()), owner_url=owner_url)
    for found in probes if recording is None else record_events(environ, recording):
        finding = replace(found, fix=given.typed(found.fix))
        findings.append(finding)
        if not as_json:
            _print(console, finding.state, f"{finding.area} {finding.probe}", finding.said, "fix", finding.fix)
    states = {finding.state for finding in findings}
    if as_json:
        ok = not states & {"broken", "unreachable"}
        print(json.dumps({"ok": ok, "findings": [asdict(finding) for finding in findings]}))
    else:
        _summary(console, findings)
    if "broken" in states:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)
    if "unreachable" in states:
        raise typer.Exit(ExitCode.UNREACHABLE)


def _summary(console: Console, findings: "Sequence[Finding]") -> None:
    counts = {state: sum(finding.state == state for finding in findings) for state in _STATES}
    console.print(", ".join(f"{count} {state}" for state, count in counts.items() if count or state == "ok"))


@camber_app.callback()
def _camber() -> None:
    """Verify what is only inferred of Camber's API (operator)."""


@camber_app.command("doctor", epilog=EPILOG)
def camber_doctor(
    env_file: EnvFile = None,
    run_job: Annotated[
        bool,
        typer.Option(
            "--run-job",
            help="Also run one job, which costs some cents and may wait for minutes: the launcher, about a job that"
            " does not exist.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every finding and every name as JSON.")] = False,
) -> None:
    """Verify, with CAMBER_API_URL and CAMBER_API_KEY, that Camber's API has the names that are inferred.

    It creates no job without --run-job. Each finding is verified, differs (with the variable to set) or open.
    Exit codes: 1 something differs, 4 Camber does not answer.
    """
    from rythmiq.settings.execution import CamberSettings  # noqa: PLC0415  `--help` needs none of it

    environ = operator_environ(env_file, None)
    try:
        settings = CamberSettings.from_environ({k: v for k, v in environ.items() if k.startswith("CAMBER_")})
    except SettingsError as error:
        usage(str(error))
    findings = asyncio.run(_checked(_checks_of(settings), run_job=run_job, shown=not as_json))
    verdicts = {finding.verdict for finding in findings}
    if as_json:
        from rythmiq_cli.doctor.camber import names_of_the_wire  # noqa: PLC0415  see above

        ok = not verdicts & {"differs", "unreachable"}
        report = {"ok": ok, "findings": [asdict(finding) for finding in findings], "names": names_of_the_wire()}
        print(json.dumps(report))
    elif shutil.which("camber"):
        print("what the official command itself sends: GODEBUG=http2debug=2 camber job list 2>&1 | grep ':path'")
    if "unreachable" in verdicts:
        raise typer.Exit(ExitCode.UNREACHABLE)
    if "differs" in verdicts:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)


async def _checked(checks: "CamberChecks", *, run_job: bool, shown: bool) -> "Sequence[CamberFinding]":
    console, findings = Console(highlight=False), []
    async for finding in checks.steps(run_job=run_job):
        findings.append(finding)
        if shown:
            _print(console, finding.verdict, finding.step, finding.said, "set", finding.set)
    return findings


def _checks_of(settings: "CamberSettings") -> "CamberChecks":
    from rythmiq.adapters.camber import (  # noqa: PLC0415  ditto
        HttpTransport,
        JobConfig,
        Wire,
    )
    from rythmiq_cli.doctor.camber import CamberChecks  # noqa: PLC0415  ditto

    if settings.camber_api_url is None or settings.camber_api_key is None:
        usage("set CAMBER_API_URL and CAMBER_API_KEY, or give --env FILE")
    wire = Wire.of(
        path_jobs=settings.camber_path_jobs,
        path_logs=settings.camber_path_logs,
        list_query=settings.camber_list_query,
        create_fields=settings.camber_create_fields,
        command_field=settings.camber_command_field,
    )
    config = JobConfig(
        program=settings.camber_program,
        engine=settings.camber_engine,
        size=settings.camber_size,
        path=settings.camber_stash_path,
        release_digest=settings.camber_release_digest,
    )
    key = settings.camber_api_key.get_secret_value()
    return CamberChecks(HttpTransport(settings.camber_api_url, key, config=config, wire=wire), wire, config)


def _print(  # noqa: PLR0913, PLR0917  the parts of a line
    console: Console, verdict: str, step: str, said: str, label: str, advice: str
) -> None:
    remedy = f"; {label}: {escape(plain(advice))}" if advice else ""
    console.print(f"[{_COLOURS[verdict]}]{verdict}[/] {step}: {escape(plain(said))}{remedy}", soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Given:
    """The doctor's own options, repeated in remedies so that an operator can copy their commands.

    Attributes:
        env_file: `--env`; None without one.
        cloud: `--cloud`; None without one.
        origins: `--origin`.
        knows_owner: whether the database's owner is known, from the file or the environment.
    """

    env_file: Path | None = None
    cloud: Path | None = None
    origins: Collection[str] = ()
    knows_owner: bool = True

    def typed(self, fix: str) -> str:
        """The remedy with these in its commands."""
        if self.env_file is not None:
            fix = fix.replace("--env FILE", f"--env {shlex.quote(str(self.env_file))}")
        return _OURS.sub(self._command, fix)

    def _command(self, match: re.Match[str]) -> str:
        command, rest = match[1], match[2]
        if command == "migrate" and not self.knows_owner:
            return _MIGRATE_BY_HAND.format(rest=rest)
        if command == "env check":
            file = "" if self.env_file is None else f" {shlex.quote(str(self.env_file))}"
            return f"`rythmiq env check{file}{rest}`"
        more = (
            "".join(f" --origin {shlex.quote(origin)}" for origin in self.origins) if command == "spaces apply" else ""
        )
        return f"`rythmiq {command}{rest}{self._place}{more}`"

    @property
    def _place(self) -> str:
        if self.cloud is not None:
            return f" --cloud {shlex.quote(str(self.cloud))}"
        return "" if self.env_file is None else f" --env {shlex.quote(str(self.env_file))}"
