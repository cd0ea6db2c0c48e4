"""Gives the output of a command to programs of the person's own, as a shell's ``|`` does."""

import io
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from askr_cli.exits import Usage


def pipe(programs: Sequence[Sequence[str]], produce: Callable[[TextIO], int]) -> int:
    """Runs ``programs`` in a row and gives the first what ``produce`` writes.

    Args:
        programs: each a program and its arguments; no shell reads them.
        produce: writes to the stream it gets and returns an exit code.

    Returns:
        The exit code of ``produce``; when that is 0, the last program's.

    Raises:
        Usage: a program cannot be started; nothing was run.
    """
    for program, *_ in programs:
        if shutil.which(program) is None:
            raise Usage(f"there is no program {program!r} on your PATH to pipe to")
    children = _start(programs)
    first = children[0].stdin
    assert first is not None
    code = 0
    try:
        with (
            suppress(BrokenPipeError),  # the program has seen enough
            io.TextIOWrapper(first, "utf-8", errors="backslashreplace", write_through=True) as out,
        ):
            code = produce(out)
    finally:
        last = _end(children)
    return code or last


def _start(programs: Sequence[Sequence[str]]) -> "list[subprocess.Popen[bytes]]":
    children: list[subprocess.Popen[bytes]] = []
    for index, words in enumerate(programs):
        is_last = index == len(programs) - 1
        try:
            child = subprocess.Popen(
                list(words),
                stdin=children[-1].stdout if children else subprocess.PIPE,
                stdout=None if is_last else subprocess.PIPE,
            )
        except OSError as error:
            _end(children)
            raise Usage(f"cannot start {words[0]!r}: {error.strerror}") from error
        if children and children[-1].stdout is not None:
            children[-1].stdout.close()  # the next program reads it, not we
        children.append(child)
    return children


def _end(children: "Sequence[subprocess.Popen[bytes]]") -> int:
    """Closes the input of the programs and waits for them; returns the last exit code.

    There is no deadline: the last program may be a pager, and a person reads as long as it takes.
    Ctrl-C ends it.
    """
    code = 0
    for child in children:
        if child.stdin is not None and not child.stdin.closed:
            child.stdin.close()
        try:
            code = child.wait()
        except KeyboardInterrupt:
            child.terminate()
            code = child.wait()
    return code
