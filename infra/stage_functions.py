"""Copies what `doctl serverless deploy` sees to a directory without links, for checkouts and platforms that have none.

`python infra/stage_functions.py [--output build/do-functions]`, then `doctl serverless deploy build/do-functions`.
Windows without `core.symlinks`, and App Platform's detection of functions, need the copy; its content is the same as
that of the linked tree (a test compares). Where git wrote links as small text files, they are followed all the same.

Needs nothing but Python's standard library.
"""
# ruff: noqa: INP001  a script that stands alone

import argparse
import runpy
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINKS = {"packages": "functions", "lib": "layers/functions", "lib/rythmiq_src": "core/rythmiq"}
"""Where the tree has links, and the directory each leads to."""
LEFT_OUT = ("__pycache__", "*.pyc", "dist", "__deployer__.zip", ".built", ".deployed")
"""What builds leave behind; a remote build would upload it, or refuse."""
PAGE = "lib/page/dist"
"""Where the built page waits for `lib/build.sh`; in the linked tree `make page` builds it there."""


def stage(project: Path, output: Path) -> None:
    """Make `output` anew from a project.

    Args:
        project: the checkout.
        output: a directory that holds nothing else.

    Raises:
        ValueError: `output` exists and is no earlier copy.
    """
    if output.exists():
        if not (output / "project.yml").is_file() or (output / ".git").exists():
            raise ValueError(f"{output} is not an earlier copy; name another directory")
        shutil.rmtree(output)
    output.mkdir(parents=True)
    shutil.copy2(project / "project.yml", output / "project.yml")
    ignored = shutil.ignore_patterns(*LEFT_OUT)
    for place, source in LINKS.items():
        target = output / place
        if target.is_file():
            target.unlink()  # a link that git wrote as text
        shutil.copytree(project / source, target, ignore=ignored, dirs_exist_ok=True)
    if (joining := project / "page" / "assets.py").is_file():
        runpy.run_path(str(joining))["build"](project / "page", output / PAGE)


def main() -> None:
    """Stage the checkout that this file stands in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "do-functions")
    output: Path = parser.parse_args().output
    stage(ROOT, output)
    print(f"doctl serverless deploy {output}")  # noqa: T201  what to do next


if __name__ == "__main__":
    main()
