"""What was chosen on a picture turns with it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.node import node

PAGE = Path(__file__).parents[3] / "page"
PROGRAM = """
const { turnedChoices } = await import(%s);
const [options, degrees] = JSON.parse(await new Response(process.stdin).text());
console.log(JSON.stringify(turnedChoices(options, degrees)));
"""
OPTIONS: dict[str, Any] = {
    "face": {"x": 0.2, "y": 0.1},
    "corners": [[0.1, 0.2], [0.8, 0.25], [0.9, 0.95], [0.05, 0.9]],
    "crop": {"x": 0.1, "y": 0.2, "width": 0.5, "height": 0.3},
}

pytestmark = pytest.mark.node


def turned(options: dict[str, Any], degrees: int) -> dict[str, Any]:
    done = subprocess.run(
        [node(), "--input-type=module", "-e", PROGRAM % json.dumps((PAGE / "turning.js").as_uri())],
        input=json.dumps([options, degrees]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_quarter_clockwise() -> None:
    """What was at the left is at the top; corners go clockwise from the upper left again."""
    assert turned(OPTIONS, 90) == {
        "face": {"x": 0.9, "y": 0.2},
        "corners": [[0.1, 0.05], [0.8, 0.1], [0.75, 0.8], [0.05, 0.9]],
        "crop": {"x": 0.5, "y": 0.1, "width": 0.3, "height": 0.5},
    }


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_there_and_back(degrees: int) -> None:
    assert turned(turned(OPTIONS, degrees), -degrees) == OPTIONS


def test_two_quarters_are_a_half() -> None:
    assert turned(turned(OPTIONS, 90), 90) == turned(OPTIONS, 180) == turned(OPTIONS, -180)


def test_what_was_not_chosen_stays_so() -> None:
    assert turned({"background": "white"}, 90) == {}
