"""The map names every module of the product, and none that is gone."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("core/rythmiq", "infra/cli/rythmiq_cli", "layers/worker/rythmiq_worker")


def test_the_map_names_the_modules_that_there_are() -> None:
    listed = {
        f"{package}/{module}.py"
        for package, modules in re.findall(r"^\| `([\w/]+)` \| (`.*`) \|$", _modules(), re.MULTILINE)
        for module in re.findall(r"`(\w+)`", modules)
    }
    files = {path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.name != "__init__.py"}
    assert listed == {str(path.relative_to(ROOT)) for path in files}


def _modules() -> str:
    return (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("\n## Modules\n")[2]
