"""Hundreds of hostile files, each through a real worker of its own: one valid answer, of the right code, at a price."""

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.keys import raw_key
from rythmiq.contracts.result import Failure
from tests.data.hostile_corpus import OPENS, Hostile, Kind, corpus, good
from tests.support.worker_forks import Forks, forks
from tests.support.worker_run import UPLOADED_AT, Job

MAX_CPU_S = 60
MAX_WALL_S = 180  # so much more, because others may be at work on the machine
MAX_MEMORY_BYTES = 1_500_000_000
LEAST_FILES = 300
PAGES = {"kind": "document", "ocr": "off", "output_format": "pdf", "max_kb": 5000}
PHOTO = {"kind": "photo", "target_width": 200, "target_height": 230, "max_kb": 100}
OPTIONS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "face": (PHOTO, {"face": {"x": 0.5, "y": 0.4}}),
    "background": (PHOTO | {"background_edit": "allowed"}, {"background": "white"}),
    "caption": (PHOTO | {"caption": "allowed"}, {"caption": {"name": "Asha Rao", "date": "2026-11-28"}}),
    "corners": (PAGES, {"corners": [[0.1, 0.2], [0.9, 0.1], [0.8, 0.9], [0.0, 1.0]]}),
    "page": (PAGES, {"page": ["whole", None]}),
    "rotate": (PAGES, {"rotate": [90, None, 180]}),
    "text_layer": (PAGES | {"text_layer": "allowed"}, {"text_layer": True}),
    "ocr_language": (PAGES | {"ocr": "auto"}, {"ocr_language": "hi"}),
}
FILES_AN_OPTION = 12
FILES_A_KIND = 1
FILES_A_PAIR = 3


@pytest.fixture(scope="module")
def workers(store: SpacesStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Workers to be had at once."""
    with forks(Job(store, sealed=False), tmp_path_factory.mktemp("workers"), timeout_s=MAX_WALL_S) as ready:
        yield ready


def test_the_corpus_is_large_and_each_file_has_a_name_of_its_own() -> None:
    """Without the fuzz, too."""
    told = [each for each in corpus() if each.kind != "fuzz"]
    assert len(told) >= LEAST_FILES
    assert len({each.name for each in corpus()}) == len(corpus())
    assert all(len(each.outcomes) == 1 for each in told)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_some_hostile_files_of_each_kind_get_their_answer(workers: Forks, store: SpacesStore, kind: Kind) -> None:
    """As each does, below: a sample for every run of the tests."""
    files = [each for each in corpus() if each.kind == kind]
    some = random.Random(kind).sample(files, FILES_A_KIND)  # noqa: S311  a choice, no secret
    _each_gets_its_answer(workers, store, some)


@pytest.mark.pixels
@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_hostile_file_gets_its_answer_within_time_and_memory(
    workers: Forks, store: SpacesStore, kind: Kind
) -> None:
    """Exit code 0, one valid document, the outcome that the corpus says; 60 s of the processor and 1.5 GB at most."""
    _each_gets_its_answer(workers, store, [each for each in corpus() if each.kind == kind])


@pytest.mark.pixels
@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_meets_files_that_open_and_files_that_may(workers: Forks, store: SpacesStore, option: str) -> None:
    """Within the same bounds; a file that is refused meets no option."""
    wanted = [each for each in corpus() if OPENS in each.outcomes]
    files = random.Random(option).sample(wanted, FILES_AN_OPTION)  # noqa: S311  a choice, no secret
    _each_gets_its_answer(workers, store, files, OPTIONS[option])


@pytest.mark.pixels
@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_hostile_file_behind_a_good_page_gets_its_answer(workers: Forks, store: SpacesStore, kind: Kind) -> None:
    """One job of two uploads: the second decides, as it does alone."""
    files = [each for each in corpus() if each.kind == kind and each.code == "DECODE_FAILED"]
    some = random.Random(f"several {kind}").sample(files, FILES_A_PAIR)  # noqa: S311  a choice, no secret
    _each_gets_its_answer(workers, store, some, (PAGES, {}), behind=good()["jpeg"])


def _each_gets_its_answer(
    workers: Forks,
    store: SpacesStore,
    files: Sequence[Hostile],
    chosen: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None,
    behind: bytes | None = None,
) -> None:
    with ThreadPoolExecutor(workers.count) as pool:
        told = pool.map(lambda each: _complaint(workers, store, each, chosen, behind), files)
        wrong = [found for found in told if found]
    assert not wrong, "\n".join(wrong)


def _complaint(
    workers: Forks,
    store: SpacesStore,
    hostile: Hostile,
    chosen: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None,
    behind: bytes | None = None,
) -> str | None:
    """What is wrong with what a worker made of a file, under the slot's rules and options that are `chosen`.

    The file comes `behind` a good one as the second of two uploads, where one is given.
    """
    job = Job(store, sealed=False)
    if chosen is not None:
        job.rules.clear()
        job.rules |= chosen[0]
        job.payload |= {"options": chosen[1], "v": 2}
    elif hostile.document:
        job.rules.clear()
        job.rules |= PAGES
    else:
        job.rules["ocr"] = "off"
    if behind is None:
        job.upload(hostile.make())
    else:
        second = raw_key(job.user_id, str(uuid.uuid4()), UPLOADED_AT, "2.jpg")
        keys = [job.upload(behind), job.upload(hostile.make(), key=second)]
        job.payload["input"] = {"raw_paths": keys, "mime_type": "image/jpeg", "original_filename": "1.jpg"}
    ended = workers.run(job)
    told = f"{hostile.name} ({ended.cpu_s:.1f} s, {ended.max_rss_bytes / 1e6:.0f} MB)"
    if ended.exit_code:
        return f"{told}: exit code {ended.exit_code}"
    if ended.cpu_s > MAX_CPU_S or ended.max_rss_bytes > MAX_MEMORY_BYTES:
        return f"{told}: costs too much"
    try:
        result = ended.held().result
    except (AssertionError, ValueError) as error:
        return f"{told}: {error}"
    if isinstance(result, Failure):
        code, outcome = result.error.code.value, (result.error.detail or {}).get("reason")
    else:
        code, outcome = hostile.code, OPENS
    return None if outcome in hostile.outcomes and code == hostile.code else f"{told}: {code} {outcome}"
