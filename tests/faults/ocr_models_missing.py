"""A text engine whose models are not installed."""

from rythmiq_worker.engines.models import find_models


def load(_choice: object) -> None:
    """Look for the models in a package that no one has."""
    find_models(package="rythmiq_no_such_package")
