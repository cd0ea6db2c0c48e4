"""`askr drain`, `disable` and `enable`: takes instances out of rotation, and puts them back."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

from askr_cli.commands.frames import show_call
from askr_cli.commands.registry import print_table
from askr_cli.durations import duration_text
from askr_cli.exits import Exit
from askr_cli.terminal import Terminal
from askrd.wire.errors import DeadlineExceeded

Instances = Annotated[
    str,
    typer.Argument(
        metavar="SERVICE", help="a service, or one instance: agent@k3Tz9a", show_default=False
    ),
]
Row = Mapping[str, Any]
Place = tuple[str, str]
"""Service and instance."""
DRAIN_S = 20.0
LOOK_EVERY_S = 0.1
LOOK_TIMEOUT_S = 10.0
_HEAD = ("service", "instance", "state", "in flight")


def drain(terminal: Terminal, service: Instances) -> int:
    """Lets instances finish what they have and gives them nothing new; returns when they are idle."""
    timeout_s = DRAIN_S if terminal.timeout_s is None else terminal.timeout_s
    until = time.monotonic() + timeout_s
    if terminal.dry_run:
        return _ask(terminal, "drain", service)
    rows = _told(terminal, "drain", service)
    while any(row.get("inflight") for row in rows):
        if time.monotonic() >= until:
            raise _late(service, rows, timeout_s)
        time.sleep(LOOK_EVERY_S)
        rows = _now(terminal, rows)
    _show(terminal, service, rows)
    terminal.note(f"{service} is drained. Put it back: askr enable {service}")
    return Exit.DONE


def disable(terminal: Terminal, service: Instances) -> int:
    """Takes instances out of rotation at once; what runs goes on."""
    return _ask(terminal, "disable", service)


def enable(terminal: Terminal, service: Instances) -> int:
    """Puts instances back into rotation."""
    return _ask(terminal, "enable", service)


def _ask(terminal: Terminal, verb: str, target: str) -> int:
    if terminal.dry_run:
        return show_call(terminal, f"$askr.{verb}", _body(target))
    _show(terminal, target, _told(terminal, verb, target))
    return Exit.DONE


def _told(terminal: Terminal, verb: str, target: str) -> list[Row]:
    body = _body(target)
    answer = terminal.client().send(f"$askr.{verb}", body, timeout=terminal.timeout_s)
    return list(answer["instances"])


def _body(target: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({"target": target}))


def _now(terminal: Terminal, before: list[Row]) -> list[Row]:
    """Returns the present rows of those instances; one that has left has nothing in flight."""
    rows = terminal.client().send("$askr.services", timeout=LOOK_TIMEOUT_S)
    present = {_place(row): row for row in rows}
    return [present.get(_place(row)) or {**row, "state": "gone", "inflight": 0} for row in before]


def _place(row: Row) -> Place:
    return str(row.get("service", "")), str(row.get("instance", ""))


def _late(target: str, rows: list[Row], timeout_s: float) -> DeadlineExceeded:
    busy = {"@".join(_place(row)): row.get("inflight") for row in rows if row.get("inflight")}
    named = ", ".join(f"{place} ({count})" for place, count in busy.items())
    return DeadlineExceeded(
        f"after {duration_text(timeout_s * 1000)} these still have commands in flight: {named}. "
        f"They go on draining. Wait longer: --timeout D; put them back: askr enable {target}",
        details={"inflight": busy},
        at="client",
    )


def _show(terminal: Terminal, target: str, rows: list[Row]) -> None:
    if terminal.json:
        terminal.print_json({"ok": True, "target": target, "instances": rows})
        return
    print_table(terminal, _HEAD, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    return [*_place(row), str(row.get("state", "")), str(row.get("inflight", 0))]
