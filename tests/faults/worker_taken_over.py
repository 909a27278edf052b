"""A decoder that runs an attacker's code: it tries everything, and says in an error's message what got through."""

from typing import Never, NoReturn

from tests.faults.attacks import got_through, names
from tests.faults.in_image_process import run_after, run_worker_with


def attacking(*_anything: object) -> Never:
    """Attack."""
    from rythmiq.contracts.errors import ErrorCode, JobError

    raise JobError(ErrorCode.DECODE_FAILED, ", ".join(got_through()), detail={"tried": len(names())})


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""

    def change() -> None:
        from rythmiq_worker.stages import decode

        vars(decode)["decode"] = attacking

    run_after(change, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
