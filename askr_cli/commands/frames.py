"""What a verb would send, as `--dry-run` shows it: text frames of docs/PROTOCOL.md."""

from collections.abc import Mapping
from typing import Any

import msgspec

from askr_cli.payload import Payload
from askr_cli.render import jsonable
from askr_cli.terminal import Terminal


def show(terminal: Terminal, kind: str, **members: Any) -> int:
    """Prints one frame and returns the exit code of a run that sent nothing.

    Args:
        terminal: where to print.
        kind: kind of the frame in lower case.
        members: its fields; those that are None are left out, and so is the id, 1 unless given.
    """
    terminal.profile  # noqa: B018  # a wrong setting is told here too
    every = {"k": kind, "id": 1} | members
    frame = {name: value for name, value in every.items() if value is not None}
    terminal.print_json(frame)
    return 0


def show_call(
    terminal: Terminal,
    target: str,
    payload: Payload,
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> int:
    """Prints the frame of a command; returns the exit code.

    Args:
        terminal: where to print.
        target: the address.
        payload: what goes with it.
        headers: for the service.
        options: further members of the frame.
    """
    return show(
        terminal,
        "call",
        to=target,
        **payload_members(payload),
        ttl=terminal.profile.timeout_ms,
        headers=headers or None,
        **options,
    )


def payload_members(payload: Payload) -> dict[str, Any]:
    """Returns a payload as members of a text frame: `d`, `b` in base64, or none."""
    if payload is None:
        return {}
    if isinstance(payload, msgspec.Raw):
        return {"d": msgspec.Raw(msgspec.json.format(bytes(payload), indent=-1))}
    return jsonable(payload)  # type: ignore[no-any-return]
