"""`askr state`: the workspace's connected state."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from askr_cli.commands.arguments import Count, IfRev, RawPayload
from askr_cli.commands.frames import payload_members, show
from askr_cli.commands.listen import Wait
from askr_cli.known_names import remember_keys
from askr_cli.payload import HELP, read_payload
from askr_cli.render import columns, dim, drawn_table, json_text, jsonable
from askr_cli.safe_text import escaped
from askr_cli.terminal import Terminal
from askrd.sdk.values import Change, Entry, Synced
from askrd.wire.errors import ErrorCode, SchemaInvalid, UnsealFailed
from askrd.wire.names import check_key, check_prefix

Key = Annotated[str, typer.Argument(metavar="KEY", help="words joined by /", show_default=False)]
Value = Annotated[list[str] | None, typer.Argument(metavar="[VALUE]...", help=HELP)]
Prefix = Annotated[
    str, typer.Argument(metavar="[PREFIX]", help="a key; itself and everything below it")
]
Initial = Annotated[bool, typer.Option("--initial", help="what is there first, then the changes")]
VALUE_CHARS_SHOWN = 60


def get(terminal: Terminal, key: Key) -> int:
    """Prints the value of a key."""
    check_key(key)
    if terminal.dry_run:
        return show(terminal, "get", key=key)
    terminal.next_steps = {ErrorCode.NOT_FOUND: "askr state ls"}
    entry = terminal.client().state.get(key)
    if terminal.json:
        terminal.print_json({"ok": True} | row_of(entry))
    else:
        pretty = terminal.out_is_terminal
        terminal.write_safe(json_text(entry.value, pretty=pretty, colour=terminal.colour))
    remember_keys(terminal, [key])
    return 0


def set_(
    terminal: Terminal,
    key: Key,
    value: Value = None,
    *,
    if_rev: IfRev = None,
    raw_payload: RawPayload = None,
) -> int:
    """Sets a key to a value."""
    check_key(key)
    body = read_payload(value or [], raw_file=raw_payload, read_stdin=terminal.read_stdin)
    if terminal.dry_run:
        return show(terminal, "put", key=key, **payload_members(body), if_rev=if_rev)
    terminal.next_steps = {ErrorCode.CONFLICT: f"askr state get {key} --json"}
    entry = terminal.client().state.set(key, body, if_rev=if_rev)
    if terminal.json:
        terminal.print_json({"ok": True} | row_of(entry))
    else:
        terminal.note(f"{key} {'rev' if entry.changed else 'unchanged, rev'} {entry.rev}")
    remember_keys(terminal, [key])
    return 0


def rm(terminal: Terminal, key: Key, *, if_rev: IfRev = None) -> int:
    """Deletes a key."""
    check_key(key)
    if terminal.dry_run:
        return show(terminal, "del", key=key, if_rev=if_rev)
    terminal.next_steps = {
        ErrorCode.NOT_FOUND: "askr state ls",
        ErrorCode.CONFLICT: f"askr state get {key} --json",
    }
    rev = terminal.client().state.delete(key, if_rev=if_rev)
    if terminal.json:
        terminal.print_json({"ok": True, "key": key, "rev": rev})
    else:
        terminal.note(f"{key} deleted, rev {rev}")
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


def watch(
    terminal: Terminal, prefix: Prefix = "", *, initial: Initial = False, count: Count = None
) -> int:
    """Prints changes as they come."""
    check_prefix(prefix)
    if terminal.dry_run:
        return show(terminal, "watch", prefix=prefix)
    wait = Wait(terminal, count=count, idle_ms=None)
    shows = initial
    for change in terminal.client(reconnect=True).state.watch(prefix, timeout=wait.timeout_s):
        if isinstance(change, Synced):
            if terminal.json and initial:
                terminal.print_json({"synced": change.rev})
            terminal.note(f"watching {prefix or 'everything'} from rev {change.rev}")
            shows = True  # after a lost connection only what is new is told again
        elif shows or not change.snapshot:
            _show_change(terminal, change)
            wait.one_came()
        if wait.over:
            break
    return wait.end()


def row_of(entry: Entry) -> dict[str, Any]:
    """Returns what JSON output says about an entry."""
    value = jsonable(entry.value)
    return {"key": entry.key, "value": value, "rev": entry.rev, "ts": entry.ts_ms}


def value_of(change: Change) -> Any:
    """Returns the new value of a change; the bytes of one that cannot be read."""
    try:
        return change.value
    except (SchemaInvalid, UnsealFailed):
        return change.frame.payload


def _print_entries(terminal: Terminal, entries: Iterable[Entry]) -> None:
    rows = [(entry.key, str(entry.rev), json_text(entry.value)) for entry in entries]
    if not rows:
        terminal.note("nothing is set there")
        return
    head = ("key", "rev", "value")
    if not terminal.out_is_terminal:
        terminal.write(columns(head, rows))
        return
    clipped = [(key, rev, _clipped(value)) for key, rev, value in rows]
    terminal.write_safe(drawn_table(head, clipped, colour=terminal.colour))


def _clipped(text: str) -> str:
    return text if len(text) <= VALUE_CHARS_SHOWN else text[: VALUE_CHARS_SHOWN - 1] + "…"


def _show_change(terminal: Terminal, change: Change) -> None:
    if terminal.json:
        members = {"op": change.op, "key": change.key, "value": jsonable(value_of(change))}
        terminal.print_json(members | {"rev": change.rev, "cause": change.cause})
        return
    colour = terminal.colour
    rev = dim(f"rev {change.rev}", colour=colour)
    value_text = json_text(value_of(change), colour=colour) if change.op == "set" else ""
    line = f"{change.op}  {escaped(change.key)}  {rev}  {value_text}"
    terminal.write_safe(line.rstrip())
