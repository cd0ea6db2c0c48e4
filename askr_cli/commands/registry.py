"""`askr services` and `askr peers`: who is there."""

from collections.abc import Sequence
from typing import Any

from askr_cli.commands.frames import show_call
from askr_cli.render import columns, date_and_clock, drawn_table
from askr_cli.terminal import Terminal

Row = dict[str, Any]


def services(terminal: Terminal) -> int:
    """Prints one row per instance of a service."""
    if terminal.dry_run:
        return show_call(terminal, "$askr.services", None)
    rows = terminal.client().send("$askr.services", timeout=terminal.timeout_s)
    if terminal.json:
        terminal.print_json(rows)
        return 0
    head = ("service", "instance", "state", "version", "in flight", "commands", "emits")
    print_table(terminal, head, [_service_cells(row) for row in rows])
    if not rows:
        terminal.note(
            "no service is connected. Write one in ten lines: see the README, or askr demo"
        )
    return 0


def peers(terminal: Terminal) -> int:
    """Prints one row per connected peer."""
    if terminal.dry_run:
        return show_call(terminal, "$askr.peers", None)
    rows = terminal.client().send("$askr.peers", timeout=terminal.timeout_s)
    if terminal.json:
        terminal.print_json(rows)
        return 0
    head = ("id", "kind", "services", "via", "address", "since")
    print_table(terminal, head, [_peer_cells(row) for row in rows])
    return 0


def names_of(members: Any, field: str) -> list[str]:
    """Returns the names in a list of texts or of objects that have one."""
    if not isinstance(members, list):
        return []
    return [str(m.get(field, "") if isinstance(m, dict) else m) for m in members]


def _service_cells(row: Row) -> list[str]:
    return [
        str(row.get("service", "")),
        str(row.get("instance", "")),
        str(row.get("state", "")),
        str(row.get("version", "")) or "-",
        str(row.get("inflight", 0)),
        " ".join(names_of(row.get("commands"), "name")) or "-",
        " ".join(names_of(row.get("emits"), "event")) or "-",
    ]


def _peer_cells(row: Row) -> list[str]:
    since = row.get("since")
    return [
        str(row.get("id", "")),
        str(row.get("kind", "")),
        " ".join(names_of(row.get("services"), "service")) or "-",
        str(row.get("via", "")),
        str(row.get("address", "")) or "-",
        date_and_clock(since) if isinstance(since, int) else "-",
    ]


def print_table(terminal: Terminal, head: Sequence[str], rows: list[list[str]]) -> None:
    """Prints a table as the terminal can show it; nothing when there are no rows."""
    if not rows:
        return
    if terminal.out_is_terminal:
        terminal.write_safe(drawn_table(head, rows, colour=terminal.colour))
    else:
        terminal.write(columns(head, rows))
