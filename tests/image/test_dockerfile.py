"""The Dockerfile, read: what no engine is needed for. `make lint` has hadolint read it too."""

import json
import re
from pathlib import Path
from typing import get_args

import rythmiq
from rythmiq.contracts.choices import TextLanguage
from tests.image.dockerfile import ROOT, Instruction, Stage, apt_packages, instructions, reaches_the_builder, stages


def stage(name: str) -> Stage:
    (found,) = (each for each in stages() if each.name == name)
    return found


def default(name: str) -> str:
    """A build argument's default; the same wherever it is declared."""
    (found,) = {each.rest.partition("=")[2] for each in instructions() if each.rest.startswith(f"{name}=")}
    return found


def test_there_are_three_stages_on_one_base_that_a_digest_pins() -> None:
    assert [(each.name, each.base) for each in stages()] == [
        (name, "${PYTHON}") for name in ("build", "tessdata", "worker")
    ]
    assert re.fullmatch(r"python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", default("PYTHON"))


def test_packages_and_weights_are_installed_by_their_locks_before_our_code_comes() -> None:
    assert default("LOCK") == "requirements-paddle.txt"
    words = [each for each in stage("build").instructions if each.word in {"COPY", "RUN"}]
    assert [each.word for each in words] == ["COPY", "RUN", "COPY", "RUN", "COPY", "COPY", "RUN"]
    assert "install.py packages" in words[1].rest
    assert words[3].rest == 'python layers/worker/weights.py "$PREFIX/models"'
    assert "rythmiq_worker.installation" in words[-1].rest


def test_only_the_prefix_reaches_the_last_stage() -> None:
    assert stage("worker").of("COPY") == [
        "--from=build ${PREFIX} ${PREFIX}",
        "--from=tessdata /usr/share/tesseract-ocr/5/tessdata ${PREFIX}/tessdata",
    ]


def test_every_language_has_its_data() -> None:
    (install,) = stage("tessdata").of("RUN")
    assert set(re.findall(r"tesseract-ocr-([a-z]+)", install)) == {"eng", *get_args(TextLanguage)}


def test_the_last_stage_adds_one_library_and_loses_what_installs() -> None:
    system, ours = stage("worker").of("RUN")
    assert apt_packages() == {"libgomp1"}
    assert system.endswith("rm -rf /var/lib/apt/lists/*")
    assert ours.startswith("python -m pip uninstall --yes pip setuptools wheel")
    assert not re.search(r"apt-get|pip install|curl|wget|gcc", ours)


def test_it_runs_as_nobody_in_particular_under_the_id_that_kubernetes_asks_for() -> None:
    (user,) = stage("worker").of("USER")
    job = (ROOT / "infra" / "kubernetes" / "job.yaml").read_text(encoding="utf-8")
    assert user == "65532:65532"
    assert "runAsUser: 65532" in job
    assert stage("worker").instructions[-2] == Instruction("USER", user)


def test_without_a_command_it_is_the_worker_and_the_launcher_is_on_the_path() -> None:
    (command,) = stage("worker").of("CMD")
    assert json.loads(command) == ["python", "-m", "rythmiq_worker"]
    assert not stage("worker").of("ENTRYPOINT")
    assert any("PATH=${PREFIX}/bin:" in rest for rest in stage("worker").of("ENV"))


def test_nothing_that_it_needs_to_write_is_outside_of_tmp() -> None:
    (environ,) = stage("worker").of("ENV")
    assert {"HOME=/tmp", "PYTHONDONTWRITEBYTECODE=1"} <= set(environ.split())
    assert stage("worker").of("WORKDIR") == ["${PREFIX}"]
    assert not stage("worker").of("VOLUME")


def test_the_label_has_this_version() -> None:
    assert default("VERSION") == rythmiq.__version__


def test_no_secret_is_a_build_argument_or_a_variable() -> None:
    names = {each.rest.partition("=")[0] for each in instructions() if each.word in {"ARG", "ENV"}}
    assert names == {"PYTHON", "PREFIX", "LOCK", "VERSION", "REVISION", "PATH"}


def test_the_builder_gets_the_worker_and_what_it_shares_and_nothing_else() -> None:
    for name in (
        "core/rythmiq/settings/worker.py",
        "layers/worker/models.lock",
        "layers/worker/rythmiq_worker/stages/ocr.py",
    ):
        assert reaches_the_builder(ROOT / name)
    for name in (
        ".git/config",
        ".env",
        "tests/conftest.py",
        "infra/env/touch.env",
        "layers/worker/worker.env",
        "layers/functions/build.sh",
        "core/rythmiq/settings/__pycache__/worker.cpython-311.pyc",
        ".venv/bin/python",
    ):
        assert not reaches_the_builder(ROOT / name), name


def test_what_copy_names_is_there() -> None:
    for rest in stage("build").of("COPY"):
        for source in rest.split()[:-1]:
            assert Path(ROOT, source).exists(), source
