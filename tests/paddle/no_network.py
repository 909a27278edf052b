"""A text engine, made where every way to the network ends with SIGABRT: the PaddleOCR engine, if it needs none."""

import os
import socket
from typing import TYPE_CHECKING, Never

from rythmiq_worker.engines import paddle

if TYPE_CHECKING:
    from rythmiq_worker.engines import ModelChoice, OcrEngine


def _abort(*_: object) -> Never:
    os.abort()


def prepare(choice: "ModelChoice") -> None:
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _abort)
    vars(socket)["getaddrinfo"] = _abort
    paddle.prepare(choice)


def load(choice: "ModelChoice") -> "OcrEngine":
    return paddle.load(choice)
