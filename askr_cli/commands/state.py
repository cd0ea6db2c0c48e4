"""`askr state get`, `ls`, `history`, `rm` and `touch`: entries of the workspace's connected state."""

from collections.abc import Iterable
from shlex import quote
from typing import Annotated, Any

import typer

from askr_cli.commands.arguments import Fast, IfRev, Key, Prefix, Ttl, seconds
from askr_cli.commands.frames import show
from askr_cli.commands.send_output import raw_bytes
from askr_cli.durations import duration_text
from askr_cli.exits import Usage
from askr_cli.known_names import remember_keys
from askr_cli.render import columns, date_and_clock, drawn_table, json_text, jsonable
from askr_cli.terminal import Terminal
from askrd.sdk.values import Change, Entry
from askrd.wire.errors import ErrorCode, SchemaInvalid, UnsealFailed
from askrd.wire.names import check_key, check_prefix

Raw = Annotated[bool, typer.Option("--raw", help="write the value's bytes; not to a terminal")]
Many = Annotated[int, typer.Option("--count", min=1, metavar="N", help="at most N changes")]
VALUE_CHARS_SHOWN = 60
CHANGES_SHOWN = 20


def get(terminal: Terminal, key: Key, *, raw: Raw = False) -> int:
    """Prints the value of a key."""
    check_key(key)
    if raw:
        if terminal.json:
            raise Usage("--json and --raw are two forms of one value: give one")
        terminal.refuse_raw_on_terminal()
    if terminal.dry_run:
        return show(terminal, "get", key=key)
    terminal.next_steps = {ErrorCode.NOT_FOUND: "askr state ls"}
    entry = terminal.client().state.get(key)
    if terminal.json:
        terminal.print_json({"ok": True} | row_of(entry))
    elif raw:
        terminal.write_bytes(raw_bytes(entry.value))
    else:
        print_value(terminal, entry.value)
    remember_keys(terminal, [key])
    return 0


def ls(terminal: Terminal, prefix: Prefix = "") -> int:
    """Lists keys and values."""
    check_prefix(prefix)
    if terminal.dry_run:
        return show(terminal, "get", key=prefix, prefix=True)
    entries = terminal.client().state.entries(prefix)
    if terminal.json:
        terminal.print_json([row_of(entry) for entry in entries])
    else:
        _print_entries(terminal, entries)
    remember_keys(terminal, (entry.key for entry in entries))
    return 0


def history(terminal: Terminal, key: Key, *, count: Many = CHANGES_SHOWN) -> int:
    """Prints the last changes of a key, newest first."""
    check_key(key)
    if terminal.dry_run:
        return show(terminal, "get", key=key, history=count)
    changes = terminal.client().state.history(key, count)
    if terminal.json:
        terminal.print_json([change_row(one) | {"ts": one.ts_ms} for one in changes])
        return 0
    if not changes:
        terminal.note(f"nothing is remembered of {key}")
        return 0
    rows = [
        (str(one.rev), date_and_clock(one.ts_ms), one.cause or one.op, _value_text(one))
        for one in changes
    ]
    _print_table(terminal, ("rev", "time", "cause", "value"), rows)
    return 0


def rm(terminal: Terminal, key: Key, *, if_rev: IfRev = None, fast: Fast = False) -> int:
    """Deletes a key."""
    check_key(key)
    if terminal.dry_run:
        return show(terminal, "del", key=key, if_rev=if_rev, fast=fast or None)
    terminal.next_steps = {
        ErrorCode.NOT_FOUND: "askr state ls",
        ErrorCode.CONFLICT: f"askr state get {quote(key)} --json",
    }
    rev = terminal.client().state.delete(key, if_rev=if_rev, fast=fast)
    if terminal.json:
        terminal.print_json({"ok": True, "key": key, "rev": rev})
    else:
        terminal.note(f"{key} deleted, rev {rev}")
    return 0


def touch(
    terminal: Terminal, key: Key, *, ttl: Ttl = None, if_rev: IfRev = None, fast: Fast = False
) -> int:
    """Lets a key live longer; its value stays."""
    check_key(key)
    if terminal.dry_run:
        return show(terminal, "put", key=key, op="touch", if_rev=if_rev, ttl=ttl, fast=fast or None)
    terminal.next_steps = {
        ErrorCode.NOT_FOUND: "askr state ls",
        ErrorCode.CONFLICT: f"askr state get {quote(key)} --json",
    }
    told = terminal.client().state.touch(key, seconds(ttl), if_rev=if_rev, fast=fast)
    ttl_ms = None if told.ttl is None else round(told.ttl * 1000)
    if terminal.json:
        lasts = {} if ttl_ms is None else {"ttl_ms": ttl_ms}
        terminal.print_json({"ok": True, "key": key, "rev": told.rev, "ts": told.ts_ms} | lasts)
    else:
        how_long = "for ever" if ttl_ms is None else duration_text(ttl_ms)
        terminal.note(f"{key} lives {how_long}, rev {told.rev}")
    remember_keys(terminal, [key])
    return 0


# --- what the verbs of state say ----------------------------------------------------------------


def row_of(entry: Entry) -> dict[str, Any]:
    """Returns what JSON output says about an entry."""
    row = {
        "key": entry.key,
        "value": jsonable(entry.value),
        "rev": entry.rev,
        "ts": entry.ts_ms,
    }
    if entry.ttl is not None:
        row["ttl_ms"] = round(entry.ttl * 1000)
    if entry.ephemeral:
        row |= {"ephemeral": True, "owner": entry.owner}
    return row


def change_row(change: Change) -> dict[str, Any]:
    """Returns what JSON output says about a change."""
    return {
        "op": change.op,
        "key": change.key,
        "value": jsonable(value_of(change)),
        "rev": change.rev,
        "cause": change.cause,
    }


def value_of(change: Change) -> Any:
    """Returns the new value of a change; the bytes of one that cannot be read."""
    try:
        return change.value
    except (SchemaInvalid, UnsealFailed):
        return change.frame.payload


def print_value(terminal: Terminal, value: Any) -> None:
    """Writes the value of an entry for people."""
    pretty = terminal.out_is_terminal
    terminal.write_safe(json_text(value, pretty=pretty, colour=terminal.colour))


def _print_entries(terminal: Terminal, entries: Iterable[Entry]) -> None:
    found = list(entries)
    if not found:
        terminal.note("nothing is set there")
        return
    head, rows = ["key", "rev"], [[entry.key, str(entry.rev)] for entry in found]
    lasting = [_lasting(entry) for entry in found]
    if any(lasting):
        head.append("lasts")
        rows = [[*row, words] for row, words in zip(rows, lasting, strict=True)]
    rows = [[*row, json_text(entry.value)] for row, entry in zip(rows, found, strict=True)]
    _print_table(terminal, [*head, "value"], rows)


def _lasting(entry: Entry) -> str:
    if entry.ephemeral:
        return f"while {entry.owner} stays"
    return "" if entry.ttl is None else duration_text(round(entry.ttl * 1000))


def _print_table(terminal: Terminal, head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Writes a table whose last column is a value, cut off on a screen."""
    titles, table = list(head), [list(row) for row in rows]
    if not terminal.out_is_terminal:
        terminal.write(columns(titles, table))
        return
    clipped = [[*row[:-1], _clipped(row[-1])] for row in table]
    terminal.write_safe(drawn_table(titles, clipped, colour=terminal.colour))


def _value_text(change: Change) -> str:
    return json_text(value_of(change)) if change.op == "set" else ""


def _clipped(text: str) -> str:
    return text if len(text) <= VALUE_CHARS_SHOWN else text[: VALUE_CHARS_SHOWN - 1] + "…"
