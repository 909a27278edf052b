"""The recogniser without the characters that no document here holds reads as the whole one does."""

from pathlib import Path

import numpy as np
import pytest

from rythmiq_worker.engines.models import (
    DICTIONARY,
    KEPT_BELOW,
    LINE_HEIGHT_PX,
    LetterNetwork,
    Network,
    find_models,
    open_recogniser,
)
from rythmiq_worker.engines.onnx_head import Headless, metadata_of, without_head

FILES = find_models()
LINE = np.random.default_rng(7).uniform(-1, 1, (1, 3, 48, 160)).astype(np.float32)


@pytest.fixture(scope="module")
def whole() -> Network:
    return Network(FILES.recognition)


@pytest.fixture(scope="module")
def cut() -> Headless:
    found = without_head(FILES.recognition.read_bytes())
    assert found is not None
    return found


@pytest.fixture(scope="module")
def letters(cut: Headless) -> LetterNetwork:
    return LetterNetwork(cut, Network(cut.model))


def test_probabilities_are_those_of_the_whole_network_over_what_is_kept(whole: Network, letters: LetterNetwork) -> None:
    dictionary = whole.metadata(DICTIONARY).splitlines()
    kept = [0, *(n + 1 for n, text in enumerate(dictionary) if max(map(ord, text)) < KEPT_BELOW), len(dictionary) + 1]
    wanted = whole.run(LINE)[:, :, kept]
    wanted /= wanted.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(letters.run(LINE), wanted, atol=1e-4)


def test_the_dictionary_holds_no_east_asian_character(letters: LetterNetwork) -> None:
    assert all(ord(letter) < KEPT_BELOW for letter in letters.metadata(DICTIONARY))


def test_the_dictionary_holds_what_an_indian_document_in_latin_letters_holds(letters: LetterNetwork) -> None:
    wanted = set("ABCXYZabcxyz0123456789.,:;-/()&@#%'\"+*=₹°")
    assert wanted <= set(letters.metadata(DICTIONARY).splitlines())


def test_there_is_a_class_for_each_character_a_blank_and_a_space(letters: LetterNetwork) -> None:
    assert letters.run(LINE).shape[2] == len(letters.metadata(DICTIONARY).splitlines()) + 2


def test_other_metadata_is_the_models_own(whole: Network, letters: LetterNetwork) -> None:
    assert letters.metadata("no such key") == whole.metadata("no such key") == ""


def test_a_network_that_ends_otherwise_is_left_whole() -> None:
    assert without_head(FILES.detection.read_bytes()) is None
    network, height_px = open_recogniser(FILES.detection)
    assert type(network) is Network
    assert height_px == LINE_HEIGHT_PX


def test_a_network_that_was_cut_takes_lines_of_any_height(whole: Network, letters: LetterNetwork) -> None:
    low = np.zeros((1, 3, 40, 160), np.float32)
    assert letters.run(low).shape[:2] == (1, 20)
    with pytest.raises(Exception, match="invalid dimensions"):
        whole.run(low)


def test_lines_are_made_lower_only_for_the_model_on_which_that_was_measured(tmp_path: Path) -> None:
    other = tmp_path / "devanagari_PP-OCRv5_rec_mobile.onnx"
    other.write_bytes(FILES.recognition.read_bytes())
    assert [open_recogniser(path)[1] for path in (FILES.recognition, other)] == [40, 48]


def test_a_dictionary_of_another_model_is_refused(cut: Headless) -> None:
    with pytest.raises(ValueError, match="are not 9 classes"):
        LetterNetwork(Headless(cut.model, cut.weights[:, :9], cut.bias[:9]), Network(cut.model))


@pytest.mark.parametrize("data", [b"\xff" * 20, b"\x3a\xff\x01abc", b"\x3b", b"\x3a"])
def test_a_file_that_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="protobuf"):
        without_head(data)


def test_a_model_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    data = FILES.recognition.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="protobuf"):
        open_recogniser(path)


def test_an_empty_file_has_no_head() -> None:
    assert without_head(b"") is None


def test_metadata_is_read_without_a_runtime(whole: Network, cut: Headless) -> None:
    for model in (FILES.recognition.read_bytes(), cut.model):
        assert metadata_of(model, DICTIONARY) == whole.metadata(DICTIONARY)
    assert metadata_of(cut.model, "no such key") == ""
