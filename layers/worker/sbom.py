"""The bill of materials of an installed worker: CycloneDX 1.6 JSON, and a list of licences for people.

    python sbom.py PREFIX --lock LOCK

Writes `PREFIX/bill/sbom.cdx.json`, `PREFIX/bill/licences.md` and a copy of each package's licence files. Packages and
their licences are what is installed, the hashes of their files the lock's, models models.lock's. Nothing in it depends
on when or where it was made: the same installation gives the same bytes. Needs nothing but Python's standard library.
"""

import argparse
import hashlib
import importlib.metadata
import json
import re
import shutil
import sys
import tomllib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import bind

_NAMESPACE = uuid.UUID("b3a1f6a4-0c61-4d0e-9a5e-5d3f2f6c7e11")  # ours, for serial numbers that follow from the content
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?P<rest>(?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
_UNKNOWN = "not stated"
_CLASSIFIERS: Mapping[str, str] = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""SPDX identifiers by classifier, where a classifier means one licence."""


def installed(prefix: Path) -> list[importlib.metadata.Distribution]:
    """Return the packages below a prefix, sorted by name."""
    found = importlib.metadata.distributions(path=[str(prefix / bind.PACKAGES)])
    return sorted(found, key=lambda distribution: _normal(distribution.metadata["Name"]))


def locked(lock: str) -> dict[str, list[str]]:
    """Return the SHA-256 hashes that a lock names for each `name==version`."""
    return {
        f"{_normal(pin['name'])}=={pin['version']}": re.findall(r"--hash=sha256:([0-9a-f]{64})", pin["rest"])
        for pin in _PIN.finditer(lock)
    }


def licence_of(distribution: importlib.metadata.Distribution) -> str:
    """Return a package's licence: its SPDX expression, else its classifiers, else its short free text."""
    told = distribution.metadata
    if expression := told["License-Expression"]:
        return expression
    classifiers = [
        text.rpartition(" :: ")[2] for text in told.get_all("Classifier", []) if text.startswith("License ::")
    ]
    named = [_CLASSIFIERS.get(text, text) for text in classifiers if text != "OSI Approved"]
    if named:
        return " AND ".join(sorted(set(named)))
    words = (told["License"] or "").strip()
    return words if words and "\n" not in words and len(words) <= 80 else _UNKNOWN  # noqa: PLR2004  no whole text


def sbom_of(prefix: Path, lock: str) -> dict[str, object]:
    """Return the bill of materials as a CycloneDX 1.6 document."""
    hashes, version = locked(lock), version_of(prefix)
    components = [_package(distribution, hashes) for distribution in installed(prefix)]
    components += list(_models(prefix))
    worker = {
        "type": "application",
        "bom-ref": f"rythmiq-worker@{version}",
        "name": "rythmiq-worker",
        "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    content = json.dumps([worker, components], sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}",
        "version": 1,
        "metadata": {"component": worker},
        "components": components,
        "dependencies": [{"ref": worker["bom-ref"], "dependsOn": [part["bom-ref"] for part in components]}],
    }


def version_of(prefix: Path) -> str:
    """Return the installed version of the worker."""
    told = (prefix / bind.PACKAGES / "rythmiq" / "__init__.py").read_text(encoding="utf-8")
    return str(re.findall(r'^__version__ = "(.+)"$', told, re.MULTILINE)[0])


def licences_page(prefix: Path) -> str:
    """Render the packages and models with their licences as a Markdown table."""
    rows = [f"| {found.metadata['Name']} | {found.version} | {licence_of(found)} |" for found in installed(prefix)]
    rows += [f"| {model['file']} | model | {model['licence']} |" for model in _present(prefix)]
    head = "# Licences\n\nThe texts lie in `licences/`, a folder a package; "
    head += "those of the models that no package brings, in `../models/licences/`.\n\n"
    return head + "| what | version | licence |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def write(prefix: Path, lock: Path) -> Path:
    """Write the SBOM and the licences into `prefix/bill`; return that folder."""
    folder = prefix / "bill"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bom = sbom_of(prefix, lock.read_text(encoding="utf-8"))
    (folder / "sbom.cdx.json").write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "licences.md").write_text(licences_page(prefix), encoding="utf-8")
    for distribution in installed(prefix):
        for name, text in _licence_texts(distribution):
            target = folder / "licences" / _normal(distribution.metadata["Name"]) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(text, target)
    return folder


def _package(distribution: importlib.metadata.Distribution, hashes: Mapping[str, list[str]]) -> dict[str, object]:
    name = _normal(distribution.metadata["Name"])
    pin = f"{name}=={distribution.version}"
    if pin not in hashes:
        raise SystemExit(f"sbom.py: {pin} is installed and not in the lock")
    address = f"pkg:pypi/{name}@{distribution.version}"
    files = [{"name": "rythmiq:locked-sha256", "value": digest} for digest in hashes[pin]]
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": distribution.version,
        "purl": address,
        "licenses": [{"license": {"name": licence_of(distribution)}}],
        "properties": files,
    }


def _models(prefix: Path) -> Iterator[dict[str, object]]:
    for model in _present(prefix):
        path = model["path"]
        described: dict[str, object] = {
            "type": "machine-learning-model",
            "bom-ref": f"model:{model['file']}",
            "name": model["file"],
            "description": f"{model['purpose']}; {model['source']}",
            "licenses": [{"license": {"name": model["licence"]}}],
        }
        if isinstance(path, Path) and path.is_file():
            described["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]
        yield described


def _present(prefix: Path) -> Iterator[dict[str, object]]:
    """The entries of models.lock whose files are there."""
    for model in tomllib.loads((prefix / "models.lock").read_text(encoding="utf-8"))["model"]:
        path = prefix / (bind.PACKAGES if model["place"] == "packages" else model["place"]) / model["file"]
        if path.exists():
            yield {**model, "path": path}


def _licence_texts(distribution: importlib.metadata.Distribution) -> Iterator[tuple[str, Path]]:
    for file in sorted(distribution.files or ()):
        if ".dist-info" in str(file.parent) and re.match(
            r"(LICEN[SC]E|COPYING|NOTICE|AUTHORS|MODEL_LIC)", file.name, re.IGNORECASE
        ):
            path = Path(str(file.locate()))
            if path.is_file():
                yield "-".join(file.parts[1:]), path


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(arguments: Sequence[str]) -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("prefix", type=Path)
    parser.add_argument("--lock", type=Path, required=True)
    asked = parser.parse_args(arguments)
    write(asked.prefix, asked.lock)


if __name__ == "__main__":
    main(sys.argv[1:])
