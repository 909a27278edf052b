"""`rythmiq camber`: verify, with the owner's key, what is only inferred of Camber's API."""

import asyncio
import json
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from rythmiq.contracts.errors import SettingsError
from rythmiq_cli.exits import EPILOG, ExitCode, usage
from rythmiq_cli.operator.environment import EnvFile, operator_environ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rythmiq.settings.execution import CamberSettings
    from rythmiq_cli.doctor.camber import CamberLook, Finding

app = typer.Typer(help="Verify what is only inferred of Camber's API (operator).", no_args_is_help=True, epilog=EPILOG)

_MARKS = {
    "verified": "[green]verified[/]",
    "differs": "[red]differs[/]",
    "open": "[yellow]open[/]",
    "unreachable": "[red]unreachable[/]",
}


@app.callback()
def _camber() -> None:
    """Verify what is only inferred of Camber's API (operator)."""


@app.command(epilog=EPILOG)
def doctor(
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
    """Ask Camber, with CAMBER_API_URL and CAMBER_API_KEY, whether its names are those that we infer.

    It makes no job unless told to. Each finding is verified, differs (then it says which variable to set) or open.
    Exit codes: 1 something differs, 4 Camber does not answer.
    """
    from rythmiq.settings.execution import CamberSettings  # noqa: PLC0415  `--help` needs none of it

    environ = operator_environ(env_file, None)
    try:
        settings = CamberSettings.from_environ({k: v for k, v in environ.items() if k.startswith("CAMBER_")})
    except SettingsError as error:
        usage(str(error))
    findings = asyncio.run(_looked(_look_of(settings), run_job=run_job, shown=not as_json))
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


async def _looked(look: "CamberLook", *, run_job: bool, shown: bool) -> "Sequence[Finding]":
    console, findings = Console(highlight=False), []
    async for finding in look.steps(run_job=run_job):
        findings.append(finding)
        if shown:
            console.print(f"{_MARKS[finding.verdict]} {finding.step}: {escape(finding.said)}", soft_wrap=True)
            if finding.set:
                console.print(f"  set: {escape(finding.set)}", soft_wrap=True)
    return findings


def _look_of(settings: "CamberSettings") -> "CamberLook":
    from rythmiq.adapters.camber.http_transport import HttpTransport  # noqa: PLC0415  `--help` needs none of it
    from rythmiq.adapters.camber.wire import JobTerms, Wire  # noqa: PLC0415  ditto
    from rythmiq_cli.doctor.camber import CamberLook  # noqa: PLC0415  ditto

    if settings.camber_api_url is None or settings.camber_api_key is None:
        usage("set CAMBER_API_URL and CAMBER_API_KEY, or give --env FILE")
    wire = Wire.of(
        path_jobs=settings.camber_path_jobs,
        path_logs=settings.camber_path_logs,
        list_query=settings.camber_list_query,
        create_fields=settings.camber_create_fields,
        command_field=settings.camber_command_field,
    )
    terms = JobTerms(
        program=settings.camber_program,
        engine=settings.camber_engine,
        size=settings.camber_size,
        path=settings.camber_stash_path,
    )
    key = settings.camber_api_key.get_secret_value()
    return CamberLook(HttpTransport(settings.camber_api_url, key, terms=terms, wire=wire), wire, terms)
