"""`askr logs`: what the daemon's durable logs hold, and how far their consumers are."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from askr_cli.commands.frames import show_call
from askr_cli.commands.registry import print_table
from askr_cli.daemon_rows import rows_in, said
from askr_cli.durations import duration_text, span_text
from askr_cli.exits import Exit
from askr_cli.render import date_and_clock
from askr_cli.safe_text import escaped
from askr_cli.sizes import size_text
from askr_cli.terminal import Terminal
from askrd.wire.errors import ErrorCode

Name = Annotated[
    str, typer.Argument(metavar="LOG", help="the log's name, one word", show_default=False)
]
Forget = Annotated[
    str | None,
    typer.Option("--rm", metavar="CONSUMER", help="forget this consumer and its position"),
]
Row = Mapping[str, Any]


def list_(terminal: Terminal) -> int:
    """Lists the logs of the workspace."""
    if terminal.dry_run:
        return dry(terminal, "list")
    rows = rows_in(ask(terminal, "list"), "logs")
    if terminal.json:
        terminal.print_json(rows)
        return Exit.DONE
    head = ("log", "patterns", "events", "size", "kept for", "consumers")
    print_table(terminal, head, [_cells(row) for row in rows])
    if not rows:
        terminal.note("there is no log. Make one: askr logs create NAME PATTERN...")
    return Exit.DONE


def show(terminal: Terminal, log: Name) -> int:
    """Shows one log: what it takes in, its limits, what it holds and who reads it."""
    if terminal.dry_run:
        return dry(terminal, "show", name=log)
    row = ask(terminal, "show", name=log)
    if terminal.json:
        terminal.print_json(row)
        return Exit.DONE
    terminal.write("\n".join(log_lines(row)))
    readers = rows_in(ask(terminal, "consumers", name=log), "consumers")
    if readers:
        terminal.write("")
        print_table(terminal, _CONSUMER_HEAD, [_consumer_cells(one) for one in readers])
    return Exit.DONE


def consumers(terminal: Terminal, log: Name, *, forget: Forget = None) -> int:
    """Lists the consumers of a log, or forgets one of them."""
    if forget is not None:
        if terminal.dry_run:
            return dry(terminal, "remove_consumer", name=log, consumer=forget)
        told = ask(terminal, "remove_consumer", name=log, consumer=forget)
        return done(terminal, told, f"{forget} is no consumer of {log} any more")
    if terminal.dry_run:
        return dry(terminal, "consumers", name=log)
    rows = rows_in(ask(terminal, "consumers", name=log), "consumers")
    if terminal.json:
        terminal.print_json(rows)
        return Exit.DONE
    print_table(terminal, _CONSUMER_HEAD, [_consumer_cells(row) for row in rows])
    if not rows:
        terminal.note(f"{log} has no consumer. Be one: askr listen --log {log} --consumer NAME")
    return Exit.DONE


# --- what the verbs of logs share ----------------------------------------------------------------


def ask(terminal: Terminal, what: str, **body: Any) -> Any:
    """Asks the daemon a command of `$askr.logs` and returns its value.

    Args:
        terminal: whose connection and timeout are used.
        what: the command: `list`, `show` and so on.
        body: its arguments; those that are None are left out.
    """
    terminal.next_steps = {ErrorCode.NOT_FOUND: "askr logs list"}
    return terminal.client().send(f"$askr.logs.{what}", said(body), timeout=terminal.timeout_s)


def dry(terminal: Terminal, what: str, **body: Any) -> int:
    """Shows the frame that `ask` would send; returns the exit code."""
    return show_call(terminal, f"$askr.logs.{what}", said(body))


def done(terminal: Terminal, told: Any, sentence: str) -> int:
    """Says that something was done: what the daemon told, or a sentence; returns the exit code."""
    if terminal.json:
        more = told if isinstance(told, dict) else {}
        terminal.print_json({"ok": True} | more)
    else:
        terminal.note(sentence)
    return Exit.DONE


def log_lines(row: Row) -> list[str]:
    """Returns what is known of a log, for people; every line is safe."""
    facts = [("patterns", _patterns(row))]
    first, last, events = (row.get(name) for name in ("first_seq", "last_seq", "events"))
    if isinstance(events, int):
        between = f", {first} to {last}" if events and first is not None else ""
        facts.append(("holds", f"{_events(events)}{between}, {_size(row.get('events_bytes'))}"))
    facts.append(("limits", ", ".join(_limits(row))))
    if refused := row.get("refused"):
        facts.append(("refused", f"missing: {_events(refused)} that the store could not write"))
    if isinstance(row.get("ack_wait_ms"), int):
        waits = duration_text(row["ack_wait_ms"])
        facts.append(("consumers", f"{waits} to ack, {_times(row.get('deliveries_max'))}"))
    if isinstance(row.get("created"), int):
        facts.append(("created", date_and_clock(row["created"])))
    lines = [f"{name.ljust(10)} {escaped(text)}" for name, text in facts]
    return [escaped(str(row.get("name", ""))), "", *lines]


_CONSUMER_HEAD = ("consumer", "acked to", "waiting", "under way", "given up", "readers")


def _cells(row: Row) -> list[str]:
    kept = row.get("age_ms")
    readers = row.get("consumers")
    return [
        str(row.get("name", "")),
        _patterns(row),
        str(row.get("events", "-")),
        _size(row.get("events_bytes")),
        span_text(kept) if isinstance(kept, int) else "-",
        str(len(readers) if isinstance(readers, Sequence) else readers or 0),
    ]


def _consumer_cells(row: Row) -> list[str]:
    return [
        str(row.get("consumer", row.get("name", ""))),
        *(str(row.get(name, "-")) for name in ("seq", "waiting", "unacked", "dead", "members")),
    ]


def _patterns(row: Row) -> str:
    patterns = row.get("patterns")
    return " ".join(map(str, patterns)) if isinstance(patterns, list) else "-"


def _limits(row: Row) -> list[str]:
    age, count, size = (row.get(name) for name in ("age_ms", "count", "bytes"))
    found = []
    if isinstance(age, int):
        found.append(span_text(age) if age else "no age limit")
    if isinstance(count, int):
        found.append(_events(count))
    if isinstance(size, int):
        found.append(size_text(size))
    return found


def _size(number: Any) -> str:
    return size_text(number) if isinstance(number, int) else "-"


def _events(number: int) -> str:
    return "1 event" if number == 1 else f"{number} events"


def _times(number: Any) -> str:
    return "delivered once" if number == 1 else f"delivered at most {number} times"
