"""A bounded run of every fuzzer over its corpus, the same each time; `make fuzz` goes on for hours.

A decoder may take its process along, so decoders run in processes of their own.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import CORPUS, mutated, seeds
from tests.fuzz.targets import DECODERS, TARGETS, TEXTS

ROOT = Path(__file__).parents[2]
RUNS_A_DECODER = 60
INPUTS = {
    "keys": {"upload": "raw", "order": "raw", "master": "master", "document": "output", "result": "output"},
    "rqe1": {"photo": "opened", "service": "malformed", "elsewhere": "wrong_key"},
    "events": {"web": "web", "base64": "web", "trigger": "trigger", "older": "web"},
    "tokens": {"good": "let in", "none": "refused"},
    "webhook": {"success": "200", "failure": "200"},
    "answers": {
        "made": "made",
        "files": "files",
        "text": "text",
        "failed": "failed",
        "walls": "walls",
        "huge": "strange made",
    },
    "pages": {"lines": "2 lines", "nothing": "0 lines", "error": "engine", "huge": "garbage"},
    "launcher": {"success": "success", "failure": "failure damaged", "events": "failure garbage"},
}
"""What becomes of seeds: without it a target that refuses everything would look well."""


@pytest.mark.parametrize(("target", "name", "outcome"), [(t, n, o) for t, of in INPUTS.items() for n, o in of.items()])
def test_a_seed_is_what_it_was_made_as(target: str, name: str, outcome: str) -> None:
    assert TARGETS[target]((CORPUS / target / name).read_bytes()) == outcome


@pytest.mark.parametrize("target", TEXTS)
def test_whatever_is_done_to_the_corpus_is_read_or_refused(target: str) -> None:
    for data in seeds(target):
        TARGETS[target](data)

    @settings(max_examples=200)
    @given(data=mutated(target) | st.binary(max_size=64))
    def holds(data: bytes) -> None:
        TARGETS[target](data)

    holds()


@pytest.mark.pixels
@pytest.mark.parametrize("decoder", DECODERS)
def test_whatever_is_done_to_a_picture_it_is_decoded_or_refused(decoder: str) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        decoder,
        "--runs",
        str(RUNS_A_DECODER),
        "--seed",
        "1",
        "--minutes",
        "2",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{RUNS_A_DECODER} inputs" in done.stdout


def test_what_breaks_something_is_kept_and_told(tmp_path: Path) -> None:
    """The fuzzer itself: with a target that dies by a signal at one input, it is that input which is kept."""
    script = (
        "import os, signal, sys, tests.fuzz.mutations as m, tests.fuzz.targets as t\n"
        "from pathlib import Path\n"
        "m.CORPUS = Path(sys.argv[1])\n"
        "def dies(data):\n"
        "    if b'x' in data: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    return 'fine'\n"
        "t.TARGETS = {'toy': dies}\n"
        "import tests.fuzz.__main__ as f\n"
        "print(*f.fuzz('toy', minutes=1, runs=5_000, seed=1))\n"
    )
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "seed").write_bytes(b"w" * 20)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    (kept,) = (tmp_path / "toy").glob("found-*")
    assert str(kept) in done.stdout, done.stderr
    assert b"x" in kept.read_bytes()


def test_every_target_has_a_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(seeds(target) for target in TARGETS)
    assert sum(len(data) for target in TARGETS for data in seeds(target)) < 1_000_000
