"""An image process that dies; how and where, the upload's file name says."""

import dataclasses
import os
import signal
from typing import NoReturn

from rythmiq_worker.pixels import child_main
from rythmiq_worker.walls.lockdown import Room
from tests.faults.in_image_process import run_after, run_worker_with

MOST_CPU_S = 3


def _die(how: str) -> None:
    from rythmiq_worker import decode

    if how == "busy-decoder":
        vars(decode)["DECODER_CPU_S"] = 0
        with decode.decoder_door():
            while True:
                pass
    if how == "busy":
        while True:
            pass
    if how == "large-decoder":
        with decode.decoder_door():
            bytearray(2 << 30)
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""
    lock_down = vars(child_main)["lock_down"]

    def shorter(room: Room) -> tuple[str, ...]:
        missing: tuple[str, ...] = lock_down(dataclasses.replace(room, cpu_s=MOST_CPU_S))
        return missing

    def change() -> None:
        from rythmiq_worker.job import Context
        from rythmiq_worker.stages import decode, quality

        how = {}
        read = decode.decode

        def decoding(upload: object, ctx: Context) -> object:
            stage, _, how["dies"] = (ctx.payload.input.original_filename or "").partition(" ")
            if stage == "decode":
                _die(how["dies"])
            return read(upload, ctx)  # type: ignore[arg-type]

        vars(decode)["decode"] = decoding
        vars(quality)["quality"] = lambda *_: _die(how["dies"])

    vars(child_main)["lock_down"] = shorter
    run_after(change, arguments)


if __name__ == "__main__":
    from rythmiq_worker.pixels import process

    vars(process)["CPU_S"] = MOST_CPU_S
    run_worker_with(__file__)
