"""Reads layers/worker/Dockerfile, and does without Docker what its stage `build` does.

`replay` copies what COPY names and .dockerignore lets through into an empty directory, and gives every RUN, as it
stands, to a shell there. Only build arguments differ, as `--build-arg` would have it.
"""

import fnmatch
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "layers" / "worker" / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word in capitals, and the rest of it, with continued lines joined."""

    word: str
    rest: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM and what follows it."""

    name: str
    base: str
    instructions: list[Instruction]

    def of(self, word: str) -> list[str]:
        """What follows each instruction of that word."""
        return [each.rest for each in self.instructions if each.word == word]


def instructions() -> Iterator[Instruction]:
    """All instructions in order."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield Instruction(word, rest.strip())


def stages() -> list[Stage]:
    """The stages in order; what comes before the first FROM belongs to none."""
    found: list[Stage] = []
    for each in instructions():
        if each.word == "FROM":
            base, _, name = each.rest.partition(" AS ")
            found.append(Stage(name, base, []))
        elif found:
            found[-1].instructions.append(each)
    return found


def apt_packages() -> set[str]:
    """What the last stage installs of Debian's."""
    found = [re.findall(r"apt-get install ([^&]+)", rest) for rest in stages()[-1].of("RUN")]
    return {word for words in found for text in words for word in text.split() if not word.startswith("-")}


def reaches_the_builder(path: Path) -> bool:
    """Whether .dockerignore lets a file of the checkout through; the last line that matches decides."""
    name, through = path.relative_to(ROOT).as_posix(), True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#") and _matches(name, pattern.removeprefix("!")):
            through = pattern.startswith("!")
    return through


def replay(room: Path, arguments: Mapping[str, str], path: str) -> None:
    """Do what the stage `build` says, below `room`.

    Args:
        room: an empty directory in the place of the image.
        arguments: build arguments, PREFIX among them.
        path: PATH; its `python` is in the place of the base image's.
    """
    stage = stages()[0]
    place, given = room, {}
    for each in stage.instructions:
        if each.word == "ARG":
            name, _, default = each.rest.partition("=")
            given[name] = arguments.get(name, default)
        elif each.word == "WORKDIR":
            place = room / each.rest.lstrip("/")
            place.mkdir(parents=True)
        elif each.word == "COPY":
            *sources, target = shlex.split(each.rest)
            for source in sources:
                _copy(ROOT / source, place / target / Path(source).name if target.endswith("/") else place / target)
        elif each.word == "RUN":
            environ = {"PATH": path, "HOME": str(room), "LANG": "C.UTF-8", **given}
            subprocess.run(["/bin/sh", "-c", each.rest], cwd=place, env=environ, check=True)
        else:
            raise AssertionError(f"{each.word} is not known here")


def _copy(source: Path, target: Path) -> None:
    files = [path for path in sorted(source.rglob("*")) if path.is_file()] if source.is_dir() else [source]
    for path in files:
        if reaches_the_builder(path):
            copy = target / path.relative_to(source) if source.is_dir() else target
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def _matches(name: str, pattern: str) -> bool:
    """Whether a pattern names a file, or a directory that it lies in."""
    parts = name.split("/")
    whole = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatchcase(part, pattern[3:]) for part in parts)
    return any(fnmatch.fnmatchcase(part, pattern) and part.count("/") == pattern.count("/") for part in whole)
