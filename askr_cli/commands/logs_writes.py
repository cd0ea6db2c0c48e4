"""`askr logs create`, `rm` and `purge`: makes, changes, empties and removes durable logs."""

from typing import Annotated

import typer

from askr_cli.commands.logs import Name, ask, done, dry, log_lines
from askr_cli.durations import duration_ms, span_ms
from askr_cli.exits import Exit
from askr_cli.sizes import size_bytes
from askr_cli.terminal import Terminal
from askrd.wire.names import check_pattern

Patterns = Annotated[
    list[str],
    typer.Argument(metavar="PATTERN...", help="the events it takes in", show_default=False),
]
Age = Annotated[
    int | None,
    typer.Option(
        "--age", metavar="D", parser=span_ms, help="keep each event so long: 7d; 0 = no limit"
    ),
]
Most = Annotated[
    int | None, typer.Option("--count", min=1, metavar="N", help="keep the newest N events")
]
Bytes = Annotated[
    int | None,
    typer.Option("--bytes", metavar="SIZE", parser=size_bytes, help="keep so much: 64M"),
]
AckWait = Annotated[
    int | None,
    typer.Option(
        "--ack-wait", metavar="D", parser=duration_ms, help="deliver again what is not acked in D"
    ),
]
MaxDeliveries = Annotated[
    int | None,
    typer.Option("--max-deliveries", min=1, metavar="N", help="give an event up after N times"),
]
Upto = Annotated[
    int | None, typer.Option("--upto", min=0, metavar="SEQ", help="only what is up to SEQ")
]


def create(
    terminal: Terminal,
    log: Name,
    pattern: Patterns,
    *,
    age: Age = None,
    count: Most = None,
    size: Bytes = None,
    ack_wait: AckWait = None,
    max_deliveries: MaxDeliveries = None,
) -> int:
    """Makes a log, or changes one that is there."""
    for one in pattern:
        check_pattern(one)
    body = {
        "name": log, "patterns": pattern, "age_ms": age, "count": count, "bytes": size,
        "ack_wait_ms": ack_wait, "deliveries_max": max_deliveries,
    }  # fmt: skip
    if terminal.dry_run:
        return dry(terminal, "create", **body)
    told = ask(terminal, "create", **body)
    if terminal.json:
        terminal.print_json({"ok": True} | told)
        return Exit.DONE
    limits = next((line for line in log_lines(told) if line.startswith("limits")), "")
    kept = limits.removeprefix("limits").strip()
    terminal.note(f"{log} keeps {' '.join(pattern)}" + (f": {kept}" if kept else ""))
    return Exit.DONE


def rm(terminal: Terminal, log: Name) -> int:
    """Removes a log with everything in it."""
    if terminal.dry_run:
        return dry(terminal, "remove", name=log)
    return done(terminal, ask(terminal, "remove", name=log), f"{log} is removed")


def purge(terminal: Terminal, log: Name, *, upto: Upto = None) -> int:
    """Empties a log; it goes on taking in."""
    if terminal.dry_run:
        return dry(terminal, "purge", name=log, upto=upto)
    told = ask(terminal, "purge", name=log, upto=upto)
    number = told.get("purged") if isinstance(told, dict) else None
    what = {None: "events", 1: "1 event"}.get(number, f"{number} events")
    return done(terminal, told, f"purged {what} of {log}")
