"""`rythmiq check` of a document reads its text, as `conform` does, and of nothing else."""

import json
from pathlib import Path

import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from rythmiq_cli.commands import app
from tests.data.pages import page_photos

SCHEMA = {"kind": "document", "formats": ["jpeg"], "max_kb": 5000}


def checked(folder: Path, image: Image.Image, **rules: object) -> dict[str, tuple[str, str | None]]:
    """Verdict and measure of each clause."""
    image.save(folder / "page.jpg", quality=92)
    (folder / "rules.json").write_text(json.dumps(SCHEMA | rules), encoding="utf-8")
    command = ["check", str(folder / "page.jpg"), "--schema", str(folder / "rules.json"), "--json"]
    done = CliRunner().invoke(app, command)
    return {each["clause"]: (each["verdict"], each["measured"]) for each in json.loads(done.stdout)["clauses"]}


def page() -> Image.Image:
    sample = next(sample for sample in page_photos() if min(sample.size_px) > 900)
    return sample.image.convert("RGB")


@pytest.mark.parametrize(("blur", "verdict"), [(0, "pass"), (30, "not_checked")])
def test_a_page_is_read_and_one_without_legible_text_is_not_passed(tmp_path: Path, blur: int, verdict: str) -> None:
    found = checked(tmp_path, page().filter(ImageFilter.GaussianBlur(blur)))
    assert found["legibility"][0] == verdict


def test_a_slot_that_reads_no_text_asks_for_none(tmp_path: Path) -> None:
    assert "legibility" not in checked(tmp_path, page(), ocr="off")
