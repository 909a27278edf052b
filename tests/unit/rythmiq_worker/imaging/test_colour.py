"""Colour as people see it, quantiles and thresholds."""

import cv2
import numpy as np

from rythmiq_worker.imaging import lab, lightness, lightness_and_chroma, otsu_threshold, quantile


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


def test_otsu_s_threshold_is_opencv_s_and_takes_what_a_mask_chose() -> None:
    levels = np.random.default_rng(7).normal([[60], [170]], 15, (2, 500)).clip(0, 255).astype(np.uint8)
    theirs, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    assert otsu_threshold(levels) == otsu_threshold(levels[levels >= 0]) == int(theirs)


def test_one_level_alone_has_no_two_parts() -> None:
    assert otsu_threshold(np.full((4, 4), 90, np.uint8)) == 0
