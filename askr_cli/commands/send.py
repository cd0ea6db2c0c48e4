"""`askr send`: a command, and the value it answers with."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from askr_cli.commands.arguments import Lines, RawPayload, Words, asks_for_lines
from askr_cli.commands.frames import show_call
from askr_cli.durations import duration_text
from askr_cli.exits import Usage
from askr_cli.item_types import item_hint
from askr_cli.payload import Payload, json_of, read_payload
from askr_cli.render import json_text, jsonable, peer_text
from askr_cli.terminal import Terminal
from askrd.sdk.values import Outcome
from askrd.wire.errors import ErrorCode, SchemaInvalid
from askrd.wire.names import parse_address, shown

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="[service[@instance].]command", show_default=False)
]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="K=V", help="a header for the service; repeatable"),
]
Raw = Annotated[bool, typer.Option("--raw", help="write the value's bytes; not to a terminal")]


def send(
    terminal: Terminal,
    target: Target,
    payload: Words = None,
    *,
    header: Headers = None,
    raw_payload: RawPayload = None,
    lines: Lines = None,
    raw: Raw = False,
) -> int:
    """Sends a command and prints its value."""
    _check_target(target)
    headers = _headers(header or [])
    if raw:
        _check_raw(terminal)
    if not asks_for_lines(lines, payload=bool(payload) or raw_payload is not None):
        body = read_payload(payload or [], raw_file=raw_payload, read_stdin=terminal.read_stdin)
        _send_one(terminal, target, body, headers, words=payload or [], raw=raw)
        return 0
    for number, line in enumerate(terminal.read_lines(), start=1):
        _send_one(terminal, target, json_of(line, f"line {number}"), headers, raw=raw)
    return 0


def _check_target(target: str) -> None:
    if parse_address(target).is_survey:
        raise Usage(
            f"{shown(target)} asks several instances; this version of askr has no surveys yet. "
            "Ask one: agent@k3Tz9a.fetch  (askr services)"
        )


def _send_one(
    terminal: Terminal,
    target: str,
    payload: Payload,
    headers: dict[str, str],
    *,
    words: Sequence[str] = (),
    raw: bool,
) -> None:
    if terminal.dry_run:
        show_call(terminal, target, payload, headers)
        return
    client = terminal.client()
    terminal.awaiting = shown(target)
    terminal.next_steps = {ErrorCode.SCHEMA_INVALID: f"askr describe {target}"}
    try:
        outcome = client.call(target, payload, timeout=terminal.timeout_s, headers=headers or None)
    except SchemaInvalid as error:
        hint = item_hint(words, error.details) if error.at == "request" else ""
        error.message += f". {hint}" if hint else ""
        raise
    terminal.awaiting = ""
    _print(terminal, target, outcome, raw=raw)
    if terminal.verbose:
        who = peer_text(outcome.service, outcome.instance)
        terminal.note(f"{who} answered in {duration_text(outcome.ms)}")


def _print(terminal: Terminal, target: str, outcome: Outcome, *, raw: bool) -> None:
    value = outcome.value
    if terminal.json:
        terminal.print_json(answer(target, outcome))
    elif raw:
        is_bytes = isinstance(value, bytes)
        terminal.write_bytes(value if is_bytes else msgspec.json.encode(value) + b"\n")
    elif value is not None:
        pretty = terminal.out_is_terminal
        terminal.write_safe(json_text(value, pretty=pretty, colour=terminal.colour))


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


def _check_raw(terminal: Terminal) -> None:
    terminal.refuse_raw_on_terminal()
    if terminal.json:
        raise Usage("--raw and --json exclude each other")


def _headers(pairs: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Usage(f"{shown(pair)} is no header: write --header name=value")
        headers[name] = value
    return headers
