"""Turns values, events, tables and errors into text for people; everything foreign is escaped."""

import re
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from askr_cli.exits import Exit, exit_of
from askr_cli.safe_text import escaped, escaped_lines
from askrd.wire.errors import AskrError, ErrorCode

Json = Any

RESET = "\x1b[0m"
_COLOURS = {"key": "\x1b[36m", "string": "\x1b[32m", "number": "\x1b[33m", "word": "\x1b[35m"}
DIM = "\x1b[2m"
_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)'
    r'|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d[\d.eE+-]*)"
    r"|(?P<word>true|false|null)"
)
_DAEMONS_OWN = re.compile(r"\$askr\.(jobs|logs)\.(list|show|cancel|purge|create)\b")
_NEXT_STEPS: dict[str, str] = {
    ErrorCode.COMMAND_UNKNOWN: "askr services",
    ErrorCode.SERVICE_UNKNOWN: "askr services",
    ErrorCode.NO_INSTANCE: "askr services",
}


def json_text(value: Any, *, pretty: bool = False, colour: bool = False) -> str:
    """Returns a payload as JSON text.

    Args:
        value: any JSON value, or bytes, which become `{"b":"<base64>"}`.
        pretty: on several lines.
        colour: with colours; then the text is safe already.
    """
    data = msgspec.json.encode(jsonable(value))
    text = escaped_lines((msgspec.json.format(data, indent=2) if pretty else data).decode())
    return _TOKEN.sub(_painted, text) if colour else text


def jsonable(value: Any) -> Any:
    """Returns a payload as it stands in JSON output: bytes become `{"b":"<base64>"}`."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"b": b64encode(value).decode()}
    return value


def _painted(match: re.Match[str]) -> str:
    return f"{_COLOURS[match.lastgroup or 'word']}{match[0]}{RESET}"


def dim(text: str, *, colour: bool) -> str:
    """Returns ``text`` less bright, where there are colours."""
    return f"{DIM}{text}{RESET}" if colour and text else text


def clock(ts_ms: int) -> str:
    """Returns a time of day with milliseconds, in the local time zone."""
    return f"{time.strftime('%H:%M:%S', time.localtime(ts_ms / 1000))}.{ts_ms % 1000:03d}"


def date_and_clock(ts_ms: int) -> str:
    """Returns date and time of day, in the local time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ts_ms / 1000))


def today() -> str:
    """Returns the date in the local time zone, as `date_and_clock` begins."""
    return time.strftime("%Y-%m-%d")


def peer_text(service: str, instance: str) -> str:
    """Returns who said something: `agent-k3Tz9a`."""
    return escaped(f"{service}-{instance}" if service and instance else service or instance)


def member_text(service: str, instance: str) -> str:
    """Returns who answered a survey, as an address begins: `agent@k3Tz9a`."""
    return escaped(f"{service}@{instance}" if instance else service)


def columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table in plain aligned columns, its heading in capitals; cells are escaped."""
    table = [[title.upper() for title in head]]
    table += [[escaped(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def drawn_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, colour: bool) -> str:
    """Returns a table as a person likes it on a terminal; cells are escaped."""
    from io import StringIO

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for number, title in enumerate(head):
        table.add_column(title.upper(), style="cyan" if number == 0 else "", overflow="fold")
    for row in rows:
        table.add_row(*(Text(escaped(cell)) for cell in row))
    text = StringIO()
    Console(file=text, force_terminal=colour, no_color=not colour, highlight=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip("\n").split("\n"))


def error_sentence(error: AskrError, next_steps: Mapping[ErrorCode, str] | None = None) -> str:
    """Returns what happened, what was or was not done, and the next step.

    Args:
        error: what went wrong; its own message stands in the sentence as it is.
        next_steps: command lines that help after an error of a code.
    """
    message = _DAEMONS_OWN.sub(r"askr \1 \2", str(error))
    if exit_of(error) is Exit.REMOTE and error.instance:
        return f"{error.instance} answered with an error: {message} ({error.code})"
    close = error.details.get("nearest")
    if isinstance(close, list) and close and "Did you mean" not in message:
        names = ", ".join(str(name) for name in close)
        message += f"{'' if message.endswith('.') else '.'} Did you mean: {names}?"
    steps = _NEXT_STEPS | {str(code): line for code, line in (next_steps or {}).items()}
    step = steps.get(error.code)
    is_remote = exit_of(error) is Exit.REMOTE
    return message if step is None or is_remote or step in message else f"{message}  ({step})"
