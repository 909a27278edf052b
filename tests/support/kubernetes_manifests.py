"""The manifests of `infra/kubernetes`, and an attempt to render one for."""

from pathlib import Path
from typing import Any

import yaml

from rythmiq.ports import Order

MANIFESTS = Path(__file__).parents[2] / "infra" / "kubernetes"
EXAMPLE = Order("00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000001", 1)


def documents() -> list[tuple[str, dict[str, Any]]]:
    """Every object of every manifest."""
    return [
        (f"{path.name}: {document['kind']}", document)
        for path in sorted(MANIFESTS.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def one(kind: str) -> dict[str, Any]:
    """The one object of a kind."""
    (found,) = (document for _, document in documents() if document["kind"] == kind)
    return found
