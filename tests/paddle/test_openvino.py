"""The networks on OpenVINO give what they give on ONNX Runtime; bfloat16 is tried where the CPU has it."""

import numpy as np
import pytest

from rythmiq_worker.engines import rapidocr
from rythmiq_worker.engines.models import (
    DICTIONARY,
    LINE_HEIGHTS_PX,
    LetterNetwork,
    Network,
    OpenVinoNetwork,
    PrecisionError,
    find_models,
    is_worth_trying,
)
from rythmiq_worker.engines.onnx_head import Headless, without_head
from rythmiq_worker.engines.other_scripts import OtherScripts
from rythmiq_worker.engines.recognition import Recogniser
from tests.data.pages import ocr_pages

FILES = find_models()
BATCH = np.random.default_rng(11).uniform(-1, 1, (1, 3, 96, 320)).astype(np.float32)


@pytest.fixture(scope="module")
def cut() -> Headless:
    found = without_head(FILES.recognition.read_bytes())
    assert found is not None
    return found


def test_the_detector_sees_the_same() -> None:
    ours, theirs = (kind(FILES.detection).run(BATCH) for kind in (lambda p: OpenVinoNetwork(p, "f32"), Network))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_the_dictionary_is_the_models_own(cut: Headless) -> None:
    assert OpenVinoNetwork(cut.model, "f32").metadata(DICTIONARY) == Network(cut.model).metadata(DICTIONARY)


def test_a_page_is_read_letter_by_letter_the_same(cut: Headless) -> None:
    page = np.asarray(ocr_pages(8)[6].image)
    usual = rapidocr.RapidOcr(FILES, OtherScripts(()))
    other = rapidocr.RapidOcr(FILES, OtherScripts(()))
    other._detector = OpenVinoNetwork(FILES.detection, "f32")
    network = LetterNetwork(cut, OpenVinoNetwork(cut.model, "f32"))
    other._recogniser = Recogniser(network, LINE_HEIGHTS_PX[FILES.recognition.name])
    assert [line.text for line in other.read(page)] == [line.text for line in usual.read(page)]


def test_bfloat16_is_used_or_refused_aloud() -> None:
    """On a CPU without it, OpenVINO would quietly compute in float32, which is slower than what we have."""
    if is_worth_trying():
        np.testing.assert_allclose(
            OpenVinoNetwork(FILES.detection).run(BATCH), Network(FILES.detection).run(BATCH), atol=0.1
        )
    else:
        with pytest.raises(PrecisionError, match="f32"):
            OpenVinoNetwork(FILES.detection)
