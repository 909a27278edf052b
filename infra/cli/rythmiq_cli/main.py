"""The door of the `rythmiq` command: Ctrl-C ends it with 130 from the first moment, also while its parts are imported.

That takes half a second, in which KeyboardInterrupt would be shown as a traceback from somewhere in a library.
"""

import os
import signal
import sys

_INTERRUPTED = 130  # ExitCode.INTERRUPTED of `exits`, which has to be imported


def main() -> None:
    """Run the command; Ctrl-C ends it with 130 and leaves nothing half written."""
    heeds = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not so below `nohup` and the like
    if heeds:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    from rythmiq_cli.commands import app  # noqa: PLC0415  see above

    try:
        if heeds:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
