"""A stage that forgets its part: nothing was judged."""

from typing import Any, NoReturn

from tests.faults.in_image_process import run_after, run_worker_with


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""

    def change() -> None:
        from rythmiq_worker.stages import quality

        judge = quality.quality

        def forgetful(*given: Any) -> None:
            judge(*given)

        vars(quality)["quality"] = forgetful

    run_after(change, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
