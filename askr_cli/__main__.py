"""The program `askr`: makes the terminal of this process and runs one command line in it."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from askr_cli.exits import Exit, Terminated


def main() -> NoReturn:
    """Runs the command line of this process and ends it with the line's exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    _replace_closed_streams()
    try:
        code = _run()
    except Terminated:
        code = Exit.TERMINATED
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    _leave(code)


def _run() -> int:
    from askr_cli.app import run
    from askr_cli.terminal import Terminal

    try:
        return run(sys.argv[1:], Terminal.of_process())
    except OSError as error:
        # What can fail here is writing: the connection translates its own errors.
        sys.stderr.write(f"askr: cannot write the output ({error.strerror})\n")
        return Exit.FAILED


def _replace_closed_streams() -> None:
    """Lets streams that the caller has closed lead nowhere, so that no socket takes their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  # for good
            setattr(sys, name, nowhere)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _leave(code: int) -> NoReturn:
    """Ends the process; a reader that left is no reason to complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os._exit(code or Exit.FAILED)
    sys.exit(code)


if __name__ == "__main__":
    main()
