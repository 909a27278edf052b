"""Bundles are packed by the deployer's rules, and the copy without links is the linked tree."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rythmiq_cli.bundles import BundleError, build_bundles, function_directories, included_files, stage, unpack

ROOT = Path(__file__).parents[2]
LINKS = {"packages": "functions", "lib": "layers/functions", "layers/functions/rythmiq_src": "../../core/rythmiq"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project: one function, and a layer that builds at once."""
    function = tmp_path / "packages" / "api" / "hello"
    function.mkdir(parents=True)
    (function / "__main__.py").write_text("def main(event):\n    return {}\n", encoding="utf-8")
    (function / "words.txt").write_text("beside", encoding="utf-8")
    (function / ".include").write_text("__main__.py\n../../../lib/dist/shared\n", encoding="utf-8")
    script(function / "build.sh", "exit 0")
    (tmp_path / "lib").mkdir()
    script(tmp_path / "lib" / "build.sh", "mkdir -p dist/shared/deep && echo shared > dist/shared/deep/module.py")
    return tmp_path


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def include(project: Path, *lines: str) -> Path:
    function = project / "packages" / "api" / "hello"
    (function / ".include").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return function


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as opened:
        return opened.namelist()


def test_what_is_included_is_packed_and_nothing_else(project: Path) -> None:
    (bundle,) = build_bundles(project, project / "out")
    assert bundle.name == "api/hello"
    assert sorted(names(bundle.path)) == ["__main__.py", "shared/deep/module.py"]


def test_the_same_sources_give_the_same_zip(project: Path) -> None:
    first = build_bundles(project, project / "one")[0].path.read_bytes()
    os.utime(project / "packages" / "api" / "hello" / "__main__.py", (0, 0))
    assert build_bundles(project, project / "other")[0].path.read_bytes() == first


def test_functions_that_share_a_layer_keep_their_own_files(project: Path) -> None:
    shutil.copytree(project / "packages" / "api" / "hello", project / "packages" / "api" / "other")
    include(project, "__main__.py", "words.txt", "../../../lib/dist/shared")
    hello, other = build_bundles(project, project / "out")
    assert sorted(names(hello.path)) == ["__main__.py", "shared/deep/module.py", "words.txt"]
    assert sorted(names(other.path)) == ["__main__.py", "shared/deep/module.py"]


def test_a_bundle_is_unpacked_under_its_name(project: Path, tmp_path: Path) -> None:
    (bundle,) = build_bundles(project, project / "out")
    target = unpack(bundle, tmp_path / "run")
    assert target == tmp_path / "run" / "api" / "hello"
    assert (target / "shared" / "deep" / "module.py").read_text() == "shared\n"


@pytest.mark.parametrize("line", ["../other", "../../../core/rythmiq", "../../../lib/../core"])
def test_a_way_out_of_the_function_is_refused(project: Path, line: str) -> None:
    with pytest.raises(BundleError, match=r"illegal use of '\.\.'"):
        included_files(include(project, line))


@pytest.mark.parametrize("line", ["missing.py", "../../../lib/missing"])
def test_what_is_not_there_is_refused(project: Path, line: str) -> None:
    with pytest.raises(BundleError, match="neither a file nor a directory"):
        included_files(include(project, line))


def test_a_line_that_is_itself_a_link_is_refused(project: Path) -> None:
    (project / "lib" / "linked").symlink_to(project / "packages")
    with pytest.raises(BundleError, match="neither a file nor a directory"):
        included_files(include(project, "../../../lib/linked"))


def test_a_link_to_a_directory_is_followed(project: Path) -> None:
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "module.py").touch()
    (project / "lib" / "own").mkdir()
    (project / "lib" / "own" / "linked").symlink_to(project / "elsewhere")
    assert set(included_files(include(project, "../../../lib/own"))) == {"own/linked/module.py"}


def test_a_link_to_a_file_is_refused(project: Path) -> None:
    (project / "packages" / "api" / "hello" / "own").mkdir()
    (project / "packages" / "api" / "hello" / "own" / "link.py").symlink_to(project / "lib" / "build.sh")
    with pytest.raises(BundleError, match="pack as a link"):
        included_files(include(project, "own"))


def test_a_script_that_fails_or_cannot_run_is_told(project: Path) -> None:
    script(project / "lib" / "build.sh", "exit 3")
    with pytest.raises(BundleError, match="ended with 3"):
        build_bundles(project, project / "out")
    (project / "lib" / "build.sh").chmod(0o644)
    with pytest.raises(BundleError, match="cannot be executed"):
        build_bundles(project, project / "out")


# --- the tree ----------------------------------------------------------------


@pytest.mark.parametrize(("link", "target"), LINKS.items())
def test_the_tree_s_links_lead_where_the_deployer_looks(link: str, target: str) -> None:
    assert (ROOT / link).readlink() == Path(target)


@pytest.mark.parametrize("directory", function_directories(ROOT), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_function_includes_itself_and_the_layer(directory: Path) -> None:
    lines = (directory / ".include").read_text(encoding="utf-8").split()
    assert lines == ["__main__.py", "../../../lib/dist/virtualenv", "../../../lib/dist/rythmiq"]
    assert (directory / "build.sh").read_text(encoding="utf-8") == "#!/bin/bash\nexit 0\n"
    assert os.access(directory / "build.sh", os.X_OK)


def contents(tree: Path) -> dict[str, str]:
    """Every file that the deployer would see, with its content's hash and whether it can be executed."""
    found = {}
    for part in ("project.yml", "packages", "lib"):
        top = tree / part
        files = (
            [top]
            if top.is_file()
            else [Path(at, name) for at, _, names in os.walk(top, followlinks=True) for name in names]
        )
        for path in files:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(tree))] = f"{digest} {os.access(path, os.X_OK)}"
    return {name: digest for name, digest in found.items() if "__pycache__" not in name and "/dist/" not in name}


def test_the_copy_without_links_equals_the_linked_tree(tmp_path: Path) -> None:
    staged = stage(ROOT, tmp_path / "staged")
    assert contents(staged) == contents(ROOT)
    assert not [path for path in staged.rglob("*") if path.is_symlink()]


def test_a_copy_is_made_where_git_wrote_links_as_text(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for part in ("functions", "layers/functions", "core/rythmiq"):
        shutil.copytree(
            ROOT / part, checkout / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "dist")
        )
    shutil.copy2(ROOT / "project.yml", checkout)
    (checkout / "layers" / "functions" / "rythmiq_src").unlink()
    for link, target in LINKS.items():
        (checkout / link).write_text(target, encoding="utf-8")
    assert contents(stage(checkout, tmp_path / "staged")) == contents(ROOT)


def test_a_copy_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    staged = stage(ROOT, tmp_path / "staged")
    (staged / "lib" / "dist").mkdir()
    stage(ROOT, staged)
    assert not (staged / "lib" / "dist").exists()
    with pytest.raises(ValueError, match="not an earlier copy"):
        stage(ROOT, tmp_path)


def test_the_script_runs_on_its_own(tmp_path: Path) -> None:
    script_file, output = ROOT / "infra" / "stage_functions.py", tmp_path / "staged"
    command = [sys.executable, "-I", "-S", str(script_file), "--output", str(output)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"doctl serverless deploy {tmp_path / 'staged'}\n"
    assert (tmp_path / "staged" / "packages" / "api" / "uploads" / "__main__.py").is_file()
