"""A text engine whose models are not installed."""

from rythmiq_worker.engines.models import find_models


def load() -> None:
    """Look for the models in a package that no one has."""
    find_models("rythmiq_no_such_package")
