"""Tesseract's data for the one-file release: from this machine, by its hash, or words that say what to install."""

import hashlib
from pathlib import Path

import pytest

import weights

WANTED = {name: name.encode() for name in weights.TESSDATA}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A models.lock of two small files, and nothing where systems keep theirs."""
    entries = (
        f'[[model]]\nfile = "{name}"\nplace = "tessdata"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\n'
        for name, data in WANTED.items()
    )
    path = tmp_path / "models.lock"
    path.write_text("".join(entries), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _no_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "SYSTEM_TESSDATA", ())


def source(folder: Path, **changed: bytes) -> dict[str, str]:
    folder.mkdir()
    for name, data in WANTED.items():
        (folder / name).write_bytes(changed.get(name.partition(".")[0], data))
    return {"TESSDATA_PREFIX": str(folder)}


def test_the_files_are_copied_as_they_are(tmp_path: Path, lock: Path) -> None:
    weights.copy_tessdata(tmp_path / "to", lock, source(tmp_path / "from"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "to").iterdir()} == WANTED


def test_a_file_of_another_version_is_refused(tmp_path: Path, lock: Path) -> None:
    environ = source(tmp_path / "from", hin=b"another")
    with pytest.raises(weights.WeightsError, match=r"hin\.traineddata.*tesseract-ocr-hin"):
        weights.copy_tessdata(tmp_path / "to", lock, environ)


def test_data_that_is_nowhere_is_told_with_what_to_install(tmp_path: Path, lock: Path) -> None:
    with pytest.raises(weights.WeightsError, match=r"eng\.traineddata.*tesseract-ocr-eng"):
        weights.copy_tessdata(tmp_path / "to", lock, {})


def test_the_lock_has_what_a_release_copies() -> None:
    assert all(f'file = "{name}"' in weights.LOCK.read_text(encoding="utf-8") for name in weights.TESSDATA)
