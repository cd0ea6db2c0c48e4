"""The daemon's own commands, `$askr.*`: ordinary calls, answered from the tables.

One that wrote something is answered once the store has it.
"""

from __future__ import annotations

import msgspec
from msgspec import structs

from askrd.core import commands, records, report
from askrd.core.admission import check_call
from askrd.core.course import NO_OPTIONS
from askrd.core.letters import read_options
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.wire.bodies import Json, dump
from askrd.wire.codec import Raw
from askrd.wire.errors import BadRequest, CommandUnknown, PayloadTooLarge, StorageUnavailable
from askrd.wire.frames import FLAG_SILENT, Coding, Frame, Kind
from askrd.wire.names import nearest, shown


def call(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Answers a call to the daemon itself; every other call goes to a service."""
    if frame.name.startswith(b"$"):
        check_call(board, session, frame)
        _check_options(frame)
        _answer(board, session, frame)
    else:
        commands.call(board, session, frame, raw)


def _check_options(frame: Frame) -> None:
    """Returns when the daemon can answer a call to itself as its caller wants.

    Raises:
        BadRequest: it wants what only services give.
    """
    options = read_options(frame)
    if (
        options.reply not in {"", "value"}
        or structs.replace(options, reply="", wait_ms=0) != NO_OPTIONS
    ):
        raise BadRequest("the daemon's own commands are answered at once with a value; no options")


_OF_JOBS = "$askr.jobs."
"""What these tell must be safe: a job that is said to be done does not run again."""


def _answer(board: Switchboard, session: Session, frame: Frame) -> None:
    """Answers a call whose address begins with ``$``.

    Raises:
        CommandUnknown: there is no such command.
        PayloadTooLarge: the answer does not fit into one frame.
    """
    name = frame.name.decode("utf-8", "replace")
    command = report.COMMANDS.get(name)
    if command is None:
        close = nearest(name, report.COMMANDS)
        hint = f" Did you mean: {', '.join(close)}?" if close else ""
        raise CommandUnknown(f"the daemon has no {shown(name)}.{hint}", details={"nearest": close})
    if name.startswith(_OF_JOBS):
        board.gate.check_room()
    before = board.gate.ticket
    value = command(board, session, _argument(frame))
    payload = dump(value)
    if len(payload) > board.limits.payload_bytes_max:
        hint = "ask $askr.describe for one service, or say hello with roster"
        if name.startswith(_OF_JOBS):
            hint = "give a lower limit, or a target"
        raise PayloadTooLarge(
            f"the answer of {shown(name)} has {len(payload)} bytes, more than one frame may have; "
            f"{hint}",
            details={"bytes": len(payload), "bytes_max": board.limits.payload_bytes_max},
        )
    is_silent = bool(frame.flags & FLAG_SILENT)
    reply = Frame(
        kind=Kind.REPLY,
        id=frame.id,
        payload=b"" if is_silent else payload,
        coding=Coding.NONE if is_silent else Coding.JSON,
        stamp=board.daemon.stamp,
    )
    is_write = board.gate.ticket != before
    if is_write or (name.startswith(_OF_JOBS) and board.gate.committed < board.gate.ticket):
        records.in_turn(board, _Answer(session, reply, is_write=is_write), session, frame)
    else:
        board.send(session, reply)


class _Answer:
    """The answer to a command of the daemon that wrote something, or tells what was written."""

    __slots__ = ("_is_write", "_reply", "_session")

    def __init__(self, session: Session, reply: Frame, *, is_write: bool) -> None:
        self._is_write = is_write
        self._session = session
        self._reply = reply

    def done(self, board: Switchboard) -> None:
        """Sends it."""
        if self._session in board.sessions:
            board.send(self._session, self._reply)

    def undone(self, board: Switchboard, reason: str) -> None:
        """Says that what was done is not kept yet; what is told is so nevertheless."""
        if not self._is_write:
            self.done(board)
        elif self._session in board.sessions:
            error = StorageUnavailable(
                f"the store cannot write ({reason}); what was asked for holds while the daemon "
                "runs, and is kept as soon as the store can"
            )
            board.fail(self._session, self._reply.id, error)


def _argument(frame: Frame) -> Json:
    if frame.coding == Coding.NONE:
        return None
    if frame.coding != Coding.JSON:
        raise BadRequest("the daemon's own commands take JSON")
    try:
        return msgspec.json.decode(frame.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise BadRequest(f"the payload is not JSON: {exc}") from exc
