"""A stage that calls itself without end."""

from rythmiq_worker.__main__ import main
from rythmiq_worker.stages import enhance as stage


def endless(*anything: object) -> None:
    """Never come back by itself."""
    endless(*anything)


vars(stage)["enhance"] = endless
main()
