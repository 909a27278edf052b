"""An image process that says in an error's message which packages it has imported when its document is made."""

import sys
from typing import NoReturn

from tests.faults.in_image_process import run_after, run_worker_with

TOLD = {"numpy._typing._array_like", "platform", "ssl", "subprocess", "textwrap", "urllib.parse"}
"""Modules that no job needs, told beside packages where their code has run."""


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""

    def change() -> None:
        from rythmiq.contracts.errors import ErrorCode, JobError
        from rythmiq_worker.job import Conformed
        from rythmiq_worker.stages import schema

        def telling(_made: Conformed) -> None:
            packages = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
            named = {name for name in TOLD & sys.modules.keys() if "__getattr__" not in vars(sys.modules[name])}
            raise JobError(ErrorCode.INTERNAL_ERROR, " ".join(sorted(packages | named)))

        vars(schema)["pack"] = telling

    run_after(change, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
