"""The scheduled audit of dependencies: it runs by itself, and knows every lock that there is."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
ROOMS = ("layers", "tests", "page", "infra", "functions")


def workflow() -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "audit.yml").read_text(encoding="utf-8"))
    return loaded


def locks(pattern: str) -> set[str]:
    """The locks of the tree, without what is installed in it."""
    found = (path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob(pattern))
    return {str(path) for path in found if not {"node_modules", "build"} & set(path.parts)}


def test_every_lock_is_audited() -> None:
    jobs = workflow()["jobs"]
    assert set(jobs["locks"]["strategy"]["matrix"]["lock"]) == locks("requirements*.txt")
    assert {f"{job['steps'][-1]['working-directory']}/package-lock.json" for job in (jobs["page"],)} == locks(
        "package-lock.json"
    )


def test_it_runs_every_week_without_rights_and_with_a_version_of_its_tool() -> None:
    loaded = workflow()
    begins = loaded[True]  # YAML 1.1 reads `on` so
    assert begins["schedule"][0]["cron"].endswith("* * 1")
    assert loaded["permissions"] == {"contents": "read"}
    (step,) = (step for step in loaded["jobs"]["locks"]["steps"] if "run" in step)
    assert "pip-audit==" in step["run"]
