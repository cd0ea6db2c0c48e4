"""Arguments that several verbs share, with their help."""

from typing import Annotated

import typer

from askr_cli.durations import duration_ms
from askr_cli.exits import Usage
from askr_cli.payload import HELP

Words = Annotated[list[str] | None, typer.Argument(metavar="[PAYLOAD]...", help=HELP)]
RawPayload = Annotated[
    str | None, typer.Option("--raw-payload", metavar="FILE", help="send the bytes of a file")
]
Lines = Annotated[
    str | None,
    typer.Option("--lines", metavar="-", help="one JSON payload per line of standard input"),
]
Count = Annotated[int | None, typer.Option("--count", min=1, metavar="N", help="leave after N")]
Idle = Annotated[
    int | None,
    typer.Option(
        "--idle", metavar="D", parser=duration_ms, help="leave after D without anything new"
    ),
]
Key = Annotated[str, typer.Argument(metavar="KEY", help="words joined by /", show_default=False)]
Value = Annotated[list[str] | None, typer.Argument(metavar="[VALUE]...", help=HELP)]
Prefix = Annotated[
    str, typer.Argument(metavar="[PREFIX]", help="a key; itself and everything below it")
]
IfRev = Annotated[
    int | None,
    typer.Option(
        "--if-rev", min=0, metavar="N", help="only if its revision is N; 0 = must not exist"
    ),
]
Ttl = Annotated[
    int | None,
    typer.Option("--ttl", metavar="D", parser=duration_ms, help="it goes after D: 300ms 5s 2m 1h"),
]
Fast = Annotated[bool, typer.Option("--fast", help="do not wait for the disk; a crash may lose it")]


def seconds(milliseconds: int | None) -> float | None:
    """Returns a duration of the command line as the SDK takes it."""
    return None if milliseconds is None else milliseconds / 1000


def asks_for_lines(lines: str | None, *, payload: bool) -> bool:
    """Says whether payloads come line by line from standard input.

    Args:
        lines: value of `--lines`.
        payload: whether a payload was given besides.

    Raises:
        Usage: `--lines` names anything but standard input, or a payload was given as well.
    """
    if lines is None:
        return False
    if lines != "-":
        raise Usage("--lines reads standard input only: write --lines -")
    if payload:
        raise Usage("give a payload or --lines -, not both")
    return True
