"""Prints what a command answered: its value, or the items of its stream, one a line."""

from collections.abc import Iterable
from typing import Any

import msgspec

from askr_cli.render import json_text, jsonable
from askr_cli.terminal import Terminal
from askrd.sdk.values import Outcome

DAEMON = "$askr"
"""The service of what the daemon answers itself."""


def show_value(terminal: Terminal, target: str, outcome: Outcome, *, raw: bool = False) -> None:
    """Prints a value; nothing for null, the whole answer with `--json`.

    Args:
        terminal: where to print.
        target: what was asked, as it was typed.
        outcome: the answer.
        raw: write bytes as they are, other values as a line of JSON.
    """
    value = outcome.value
    if terminal.json:
        terminal.print_json(answer(target, outcome))
    elif raw:
        terminal.write_bytes(raw_bytes(value))
    elif value is not None:
        pretty = terminal.out_is_terminal
        terminal.write_safe(json_text(value, pretty=pretty, colour=terminal.colour))
        if pretty and (job := _job_in(outcome)):
            terminal.note(f"it is queued. Its end: askr jobs wait {job}")


def _job_in(outcome: Outcome) -> str:
    """Returns the id of the job that a command became; empty when it did not become one."""
    is_job = outcome.service == DAEMON and isinstance(outcome.value, dict)
    return str(outcome.value.get("job", "")) if is_job else ""


def show_items(terminal: Terminal, items: Iterable[Any], *, raw: bool = False) -> int:
    """Prints every item as it comes; returns how many there were.

    Args:
        terminal: where to print.
        items: what the client returned.
        raw: write bytes as they are, other values as lines of JSON.
    """
    count = 0
    for item in items:
        count += 1
        if raw:
            terminal.write_bytes(raw_bytes(item))
        elif terminal.json:
            terminal.print_json({"item": jsonable(item)})
        else:
            terminal.write_safe(json_text(item, colour=terminal.colour))
    return count


def answer(target: str, outcome: Outcome) -> dict[str, Any]:
    """Returns what `send --json` prints for a value."""
    return {
        "ok": True,
        "target": target,
        "value": jsonable(outcome.value),
        "from": {"service": outcome.service, "instance": outcome.instance},
        "id": outcome.id,
        "ms": round(outcome.ms, 3),
    }


def raw_bytes(value: Any) -> bytes:
    """Returns what `--raw` writes: bytes as they are, any other value as a line of JSON."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return msgspec.json.encode(value) + b"\n"
