"""`rythmiq page`: the page as static files."""

import json
from pathlib import Path
from typing import Annotated

import typer

from rythmiq.contracts.errors import RythmiqError
from rythmiq_cli.output import EPILOG, usage

app = typer.Typer(help="The page as static files (operator).", no_args_is_help=True, epilog=EPILOG)


@app.callback()
def _page() -> None:
    pass


@app.command(epilog=EPILOG)
def export(  # noqa: PLR0913, PLR0917  typer reads an option off a parameter
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made anew: empty, or of an earlier export.")],
    api: Annotated[str, typer.Option("--api", help="The service's address, PUBLIC_URL; what comes before /api.")],
    supabase_url: Annotated[str, typer.Option("--supabase-url", help="SUPABASE_URL: where people sign in.")],
    supabase_anon_key: Annotated[str, typer.Option("--supabase-anon-key", help="SUPABASE_ANON_KEY, which is public.")],
    store_origin: Annotated[str, typer.Option("--store-origin", help="DO_SPACES_ENDPOINT: where files go.")],
    guest_credits: Annotated[int, typer.Option("--guest-credits", min=0, help="GUEST_CREDITS of the service.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write the page to DIR, for a domain or a CDN of one's own.

    The domain must be this page's alone, ALLOWED_ORIGINS must name it, and so must the bucket's CORS rule (`rythmiq
    spaces apply`).
    """
    from rythmiq.gateway.routes.app import PageConfig  # noqa: PLC0415  `--help` needs none of it
    from rythmiq.settings.api import AppSettings  # noqa: PLC0415  ditto
    from rythmiq_cli.operator.page_export import export_page  # noqa: PLC0415  ditto

    try:
        settings = AppSettings.from_environ(
            {
                "PUBLIC_URL": api,
                "SUPABASE_URL": supabase_url,
                "SUPABASE_ANON_KEY": supabase_anon_key,
                "DO_SPACES_ENDPOINT": store_origin,
            }
        )
        base = (settings.public_url or "").removesuffix("/api")
        config = PageConfig(
            api_url=f"{base}/api",
            supabase_url=settings.supabase_url,
            supabase_anon_key=supabase_anon_key,
            store_origin=settings.do_spaces_endpoint,
            guest_credits=guest_credits,
            origins=("*",),
        )
        made = export_page(_sources(), directory, config)
    except RythmiqError as error:
        usage(_in_options(str(error)))
    if as_json:
        print(json.dumps({"directory": str(directory), "tree": made.tree, "files": made.files}))
        return
    for name, size_bytes in made.files.items():
        print(f"{size_bytes:9} {name}")


def _sources() -> Path:
    """The page's sources: of this checkout, or carried by the installed distribution."""
    import rythmiq_cli  # noqa: PLC0415  its place

    here = Path(rythmiq_cli.__file__).parent
    carried = here / "page"
    return carried if carried.is_dir() else here.parents[2] / "page"


def _in_options(sentence: str) -> str:
    """Put the options' names in place of the variables' in an error of the settings."""
    for name, option in (
        ("PUBLIC_URL", "--api"),
        ("SUPABASE_URL", "--supabase-url"),
        ("SUPABASE_ANON_KEY", "--supabase-anon-key"),
        ("DO_SPACES_ENDPOINT", "--store-origin"),
    ):
        sentence = sentence.replace(name, option)
    return sentence
