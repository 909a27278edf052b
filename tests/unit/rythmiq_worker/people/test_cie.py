"""Colour as people see it, and the two limits between which a measure is advice."""

import cv2
import numpy as np
import pytest

from rythmiq_worker.people import Bounds, worst
from rythmiq_worker.people.cie import lab, lightness, lightness_and_chroma, quantile


def test_lightness_and_chroma_are_those_of_opencv() -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (4096, 3), dtype=np.uint8)
    theirs = cv2.cvtColor((rgb[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    levels, chroma = lightness_and_chroma(rgb)
    # OpenCV interpolates its tables; ours is the formula.
    np.testing.assert_allclose(levels, theirs[:, 0], atol=0.4)
    np.testing.assert_allclose(chroma, np.hypot(theirs[:, 1], theirs[:, 2]), atol=0.8)


def test_white_is_white_and_gray_has_no_chroma() -> None:
    levels, chroma = lightness_and_chroma(np.array([[255, 255, 255], [128, 128, 128], [0, 0, 0]], np.uint8))
    np.testing.assert_allclose(levels, [100, 53.59, 0], atol=0.02)
    np.testing.assert_allclose(chroma, 0, atol=0.02)


def test_lightness_alone_is_the_first_of_the_three() -> None:
    rgb = np.random.default_rng(6).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    np.testing.assert_allclose(lightness(rgb), lab(rgb)[..., 0], atol=1e-3)


def test_a_quantile_is_a_value_that_occurs() -> None:
    values = np.array([5, 1, 4, 2, 3], np.float32)
    assert [quantile(values, share) for share in (0.0, 0.5, 1.0)] == [1, 3, 5]


@pytest.mark.parametrize(("value", "grade"), [(8.0, "pass"), (8.1, "advice"), (8.9, "advice"), (9.0, "fail")])
def test_large_values_fail_where_the_limits_rise(value: float, grade: str) -> None:
    assert Bounds(8.0, 9.0).grade(value) == grade


@pytest.mark.parametrize(("value", "grade"), [(88.0, "pass"), (87.9, "advice"), (84.1, "advice"), (84.0, "fail")])
def test_small_values_fail_where_the_limits_fall(value: float, grade: str) -> None:
    assert Bounds(88.0, 84.0).grade(value) == grade


def test_the_worst_of_several_grades_counts() -> None:
    assert worst() == "pass"
    assert worst("pass", "advice") == "advice"
    assert worst("advice", "fail", "pass") == "fail"
