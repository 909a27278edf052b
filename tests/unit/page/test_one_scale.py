"""Where the picture before lies behind the finished photo."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.node import node

PAGE = Path(__file__).parents[3] / "page"
PROGRAM = """
const { placeBehind, uprightSize } = await import(%s);
const [receipt, size] = JSON.parse(await new Response(process.stdin).text());
console.log(JSON.stringify(receipt ? placeBehind(receipt, size) : uprightSize(size)));
"""
FACE = {"op": "face", "parameters": {"x": 0.4, "y": 0.2, "width": 0.2, "height": 0.2}}
LEVEL = {"op": "level", "parameters": {"degrees_clockwise": 5.0}}
TURN = {"op": "turn", "parameters": {"degrees_clockwise": 90, "decided_by": "face"}}
CROP = {"op": "crop", "parameters": {"left": 100, "top": 200, "width": 400, "height": 500}}
RESIZE = {"op": "resize", "parameters": {"width_px": 200, "height_px": 250, "filter": "lanczos"}}
PAD = {"op": "pad", "parameters": {"colour": "white", "left": 20, "top": 0}}

pytestmark = pytest.mark.node


def place(*operations: dict[str, Any], width_px: int = 200, size: tuple[int, int] | None = (800, 1000)) -> Any:
    return asked({"document": {"width_px": width_px, "height_px": 250}, "operations": operations}, size)


def asked(receipt: Any, size: Any) -> Any:
    done = subprocess.run(
        [node(), "--input-type=module", "-e", PROGRAM % json.dumps((PAGE / "one-scale.js").as_uri())],
        input=json.dumps([receipt, size]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def test_a_part_that_was_cut_out() -> None:
    """Half its size, so that the whole is twice as wide and high as the frame, and begins where the part does."""
    upright = {"left": -0.25, "top": -0.4, "width": 2, "height": 2, "turn": 0, "x": 0.5, "y": 0.5}
    assert place(CROP, RESIZE) == upright


def test_a_head_that_was_levelled() -> None:
    """About the middle of the face."""
    found = place(FACE, LEVEL, CROP, RESIZE)
    assert (found["turn"], found["x"], found["y"]) == pytest.approx((5, 0.5, 0.3))


def test_a_border_that_was_added() -> None:
    found = place(CROP, RESIZE, PAD, width_px=240)
    assert found["left"] == pytest.approx((20 - 50) / 240)


@pytest.mark.parametrize(
    ("operations", "size"), [((TURN, CROP, RESIZE), (800, 1000)), ((CROP, RESIZE), None), ((), (800, 1000))]
)
def test_what_is_not_known(operations: tuple[dict[str, Any], ...], size: tuple[int, int] | None) -> None:
    assert place(*operations, size=size) is None


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, [800, 1000]), (3, [800, 1000]), (6, [1000, 800]), (8, [1000, 800])]
)
def test_a_picture_is_measured_upright(orientation: int, size: list[int]) -> None:
    assert asked(None, {"width": 800, "height": 1000, "orientation": orientation}) == size
