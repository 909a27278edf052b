"""The `rythmiq` command: its entry point, which Ctrl-C ends with 130 from the first moment, also while it imports.

Importing takes half a second, in which KeyboardInterrupt would print a traceback from inside a library.
"""

import os
import signal
import sys

_INTERRUPTED = 130  # ExitCode.INTERRUPTED of `output`, which has to be imported


def main() -> None:
    """Run the command; Ctrl-C exits with 130 and leaves no file half written."""
    handles_sigint = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # False under `nohup`
    if handles_sigint:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    from rythmiq_cli.commands import app  # noqa: PLC0415  see above

    try:
        if handles_sigint:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
