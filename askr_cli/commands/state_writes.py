"""`askr state set`, `patch` and `incr`: what gives a key another value."""

from collections.abc import Callable
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from askr_cli.commands.arguments import Fast, IfRev, Key, RawPayload, Ttl, Value, seconds
from askr_cli.commands.frames import payload_members, show
from askr_cli.commands.listen import Wait
from askr_cli.commands.state import print_value, row_of
from askr_cli.exits import Usage
from askr_cli.known_names import remember_keys
from askr_cli.payload import read_payload
from askr_cli.terminal import Terminal
from askrd.sdk.values import Change, Entry
from askrd.wire.errors import AskrError, Conflict, ErrorCode, Gone, NotFound
from askrd.wire.names import check_key

if TYPE_CHECKING:
    from askrd.sync import Client

Ephemeral = Annotated[
    bool,
    typer.Option("--ephemeral", help="stay here and hold it; it goes when this run ends"),
]
By = Annotated[int, typer.Option("--by", metavar="N", help="how far; below 0 counts down")]


def set_(
    terminal: Terminal,
    key: Key,
    value: Value = None,
    *,
    if_rev: IfRev = None,
    ttl: Ttl = None,
    ephemeral: Ephemeral = False,
    fast: Fast = False,
    raw_payload: RawPayload = None,
) -> int:
    """Sets a key to a value."""
    check_key(key)
    if not value and raw_payload is None:
        raise Usage(f"set {quote(key)} to what? A value is '\"text\"', 7, null, name=text or -")
    body = read_payload(value or [], raw_file=raw_payload, read_stdin=terminal.read_stdin)
    if terminal.dry_run:
        members = payload_members(body) | {"if_rev": if_rev, "ttl": ttl}
        flags = {"ephemeral": ephemeral or None, "fast": fast or None}
        return show(terminal, "put", key=key, **members, **flags)
    terminal.next_steps = {ErrorCode.CONFLICT: f"askr state get {quote(key)} --json"}
    client = terminal.client(reconnect=ephemeral)
    entry = client.state.set(
        key, body, if_rev=if_rev, ttl=seconds(ttl), ephemeral=ephemeral, fast=fast
    )
    if terminal.json:
        terminal.print_json({"ok": True} | row_of(entry))
    else:
        terminal.note(f"{key} {'rev' if entry.changed else 'unchanged, rev'} {entry.rev}")
    remember_keys(terminal, [key])
    return _hold(terminal, client, key) if ephemeral else 0


def patch(
    terminal: Terminal,
    key: Key,
    value: Value = None,
    *,
    if_rev: IfRev = None,
    ttl: Ttl = None,
    fast: Fast = False,
) -> int:
    """Merges a patch into the value of a key, and prints what it has become."""
    check_key(key)
    if not value:
        raise Usage("patch it with what? askr state patch KEY name=text, or '{\"name\": null}'")
    body = read_payload(value, raw_file=None, read_stdin=terminal.read_stdin)
    if terminal.dry_run:
        members = payload_members(body) | {"if_rev": if_rev, "ttl": ttl, "fast": fast or None}
        return show(terminal, "put", key=key, op="patch", **members)
    return _write(
        terminal,
        key,
        lambda client: client.state.patch(key, body, if_rev=if_rev, ttl=seconds(ttl), fast=fast),
    )


def incr(
    terminal: Terminal,
    key: Key,
    *,
    by: By = 1,
    if_rev: IfRev = None,
    ttl: Ttl = None,
    fast: Fast = False,
) -> int:
    """Counts a key up, and prints its new value."""
    check_key(key)
    if terminal.dry_run:
        step = None if by == 1 else by
        how = {"if_rev": if_rev, "ttl": ttl, "fast": fast or None}
        return show(terminal, "put", key=key, op="incr", d=step, **how)
    return _write(
        terminal,
        key,
        lambda client: client.state.incr(key, by, if_rev=if_rev, ttl=seconds(ttl), fast=fast),
    )


def _write(terminal: Terminal, key: str, write: Callable[["Client"], Entry]) -> int:
    """Carries out a write whose new value only the daemon knows, and says it."""
    terminal.next_steps = {ErrorCode.CONFLICT: f"askr state get {quote(key)} --json"}
    entry = write(terminal.client())
    if terminal.json:
        terminal.print_json({"ok": True} | row_of(entry))
    else:
        print_value(terminal, entry.value)
        if terminal.verbose:
            terminal.note(f"{key} {'rev' if entry.changed else 'unchanged, rev'} {entry.rev}")
    remember_keys(terminal, [key])
    return 0


def _hold(terminal: Terminal, client: "Client", key: str) -> int:
    """Stays until Ctrl-C or `--timeout`, as long as the entry is this peer's.

    Raises:
        Gone: somebody deleted it, or it did not outlive a lost connection.
        Conflict: another peer has written it.
    """
    terminal.note(f"holding {key}: it goes when this run ends  (Ctrl-C)")
    wait = Wait(terminal, count=None, idle_ms=None)
    try:
        for item in client.state.watch(key, timeout=wait.timeout_s):
            if not isinstance(item, Change) or item.key == key:
                _check_held(client, key)
    finally:
        if terminal.shares_connection:
            _let_go(client, key)
    return 0


def _check_held(client: "Client", key: str) -> None:
    mine = client.welcome.instance if client.welcome else ""
    try:
        entry = client.state.get(key)
    except NotFound:
        raise Gone(f"{key} is held no more: it is gone", at="client") from None
    if entry.owner != mine:
        raise Conflict(
            f"{key} is held no more: another peer has written rev {entry.rev}",
            details={"key": key, "rev": entry.rev},
            at="client",
        )


def _let_go(client: "Client", key: str) -> None:
    """Deletes what was held by a connection that lives on; what is not ours stays."""
    try:
        _check_held(client, key)
        client.state.delete(key)
    except AskrError:
        return  # it is not ours, or nobody is there: then the daemon sees to it
