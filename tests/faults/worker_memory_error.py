"""Memory runs out while the picture is judged."""

from rythmiq_worker.__main__ import main
from rythmiq_worker.stages import quality as stage


def no_memory(*_anything: object) -> None:
    """Ask for more than there is."""
    bytearray(1 << 62)


vars(stage)["quality"] = no_memory
main()
