"""`askr attach` and `askr detach`: services of node-askr, which the daemon dials."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

from askr_cli.commands.frames import show_call
from askr_cli.commands.registry import print_table
from askr_cli.exits import Exit, Usage
from askr_cli.safe_text import escaped
from askr_cli.terminal import Terminal
from askrd.wire.addresses import parse_node_askr
from askrd.wire.errors import BadRequest

Row = Mapping[str, Any]
Where = Annotated[
    str | None,
    typer.Argument(
        metavar="[node-askr://HOST:PORT]",
        help="where it listens; without it, what is attached is listed",
        show_default=False,
    ),
]
Name = Annotated[str | None, typer.Option("--as", metavar="NAME", help="the name it gets")]
Commands = Annotated[
    str | None,
    typer.Option(
        "--commands",
        metavar="A,B",
        help="what it takes; without it, anything that is sent to NAME.command",
    ),
]
Events = Annotated[
    str | None,
    typer.Option(
        "--events", metavar="X,Y", help="what it emits; without it, whatever somebody listens to"
    ),
]
Attached = Annotated[
    str, typer.Argument(metavar="SERVICE", help="the name it was given", show_default=False)
]
ANSWER_WITHIN_S = 3.0
LOOK_EVERY_S = 0.05
_HEAD = ("service", "url", "connected", "commands", "events")


def attach(
    terminal: Terminal,
    where: Where = None,
    name: Name = None,
    commands: Commands = None,
    events: Events = None,
) -> int:
    """Has the daemon dial a node-askr service and offer it; without a URL, lists what is attached."""
    if where is None:
        if name or commands or events:
            raise Usage("attach what? askr attach node-askr://HOST:PORT --as NAME")
        return _list(terminal)
    try:
        parse_node_askr(where)
    except BadRequest as error:
        raise Usage(error.message) from error
    if not name:
        raise Usage(f"under which name? askr attach {where} --as NAME")
    body = {"url": where, "service": name, "commands": _names(commands), "events": _names(events)}
    if terminal.dry_run:
        return show_call(terminal, "$askr.attach", _raw(body))
    row = terminal.client().send("$askr.attach", _raw(body), timeout=terminal.timeout_s)
    row = _once_connected(terminal, row)
    _show(terminal, row)
    if not row["connected"]:
        terminal.note(
            f"{row['url']} is not connected yet{_why(row)}; the daemon goes on dialling. "
            f"To stop it: askr detach {name}"
        )
    return Exit.DONE


def detach(terminal: Terminal, name: Attached) -> int:
    """Has the daemon hang up on an attached service and dial it no more."""
    body = _raw({"service": name})
    if terminal.dry_run:
        return show_call(terminal, "$askr.detach", body)
    _show(terminal, terminal.client().send("$askr.detach", body, timeout=terminal.timeout_s))
    return Exit.DONE


def _list(terminal: Terminal) -> int:
    if terminal.dry_run:
        return show_call(terminal, "$askr.attached", None)
    rows = list(terminal.client().send("$askr.attached", timeout=terminal.timeout_s))
    if terminal.json:
        terminal.print_json(rows)
        return Exit.DONE
    print_table(terminal, _HEAD, [_cells(row) for row in rows])
    if not rows:
        terminal.note("nothing is attached. askr attach node-askr://HOST:PORT --as NAME")
    return Exit.DONE


def _once_connected(terminal: Terminal, row: Row) -> Row:
    """Returns the service's row when it is there, or as it is after a while."""
    until = time.monotonic() + ANSWER_WITHIN_S
    while not row["connected"] and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
        rows = terminal.client().send("$askr.attached", timeout=terminal.timeout_s)
        row = next((one for one in rows if one["service"] == row["service"]), row)
    return row


def _why(row: Row) -> str:
    return f" ({escaped(row['why'])})" if row.get("why") else ""


def _show(terminal: Terminal, row: Row) -> None:
    if terminal.json:
        terminal.print_json({"ok": True, **row})
    else:
        print_table(terminal, _HEAD, [_cells(row)])


def _cells(row: Row) -> list[str]:
    return [
        str(row["service"]),
        str(row["url"]),
        "yes" if row["connected"] else "no",
        " ".join(row["commands"]) or "*",
        " ".join(row["events"]) or "*",
    ]


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()] if text else []


def _raw(body: Row) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(body))
