"""node-askr's connected state: `STATE_REQUEST` and `STATE_SET` read and write the shared keys."""

from __future__ import annotations

import msgspec

from askrd.doors import node_askr_words as words
from askrd.doors.node_askr_words import Command
from askrd.wire.bodies import dump
from askrd.wire.errors import ErrorCode
from askrd.wire.frames import Coding, Frame, Kind
from askrd.wire.names import check_key
from askrd.wire.state import GetOptions

READ = "STATE_REQUEST"
WRITE = "STATE_SET"
_OWNED = ("@", "$")


class _Data(msgspec.Struct):
    signature: msgspec.Raw = msgspec.Raw()
    key: msgspec.Raw = msgspec.Raw()
    value: msgspec.Raw = msgspec.Raw()


_DATA = msgspec.json.Decoder(_Data)


class StateRequest:
    """One of the two, on its way.

    Attributes:
        frame: what it is to the daemon; None = nothing, it is answered without a value.
        entries: what a read has found so far; None = it is a write.
    """

    __slots__ = ("entries", "frame")

    def __init__(self, frame: Frame | None, *, is_read: bool) -> None:
        self.frame = frame
        self.entries: dict[str, msgspec.Raw] | None = {} if is_read else None

    def take(self, change: Frame) -> None:
        """Takes in an entry; what belongs to a service or to the daemon is not shared."""
        key = change.name.decode()
        if self.entries is not None and not key.startswith(_OWNED):
            self.entries[key] = msgspec.Raw(words.value_of(change) or b"null")

    def is_done_by(self, code: str) -> bool:
        """Says whether a failure with that code leaves nothing to be done: the key was not there."""
        return (
            self.frame is not None and self.frame.kind == Kind.DEL and code == ErrorCode.NOT_FOUND
        )

    @property
    def value(self) -> bytes:
        """What the peer is told."""
        return b"true" if self.entries is None else dump(self.entries)


def state_request(command: Command) -> StateRequest | None:
    """Returns what a command asks of the state; None when it is for a service.

    Raises:
        BadRequest: it names no key that there can be.
    """
    if command.name not in {READ, WRITE}:
        return None
    try:
        data = _DATA.decode(command.data)
    except msgspec.MsgspecError:
        data = _Data()
    if command.name == READ:
        if not words.is_truthy(data.signature):
            return StateRequest(None, is_read=True)
        options = dump(GetOptions(prefix=True))
        return StateRequest(Frame(kind=Kind.GET, options=options), is_read=True)
    return StateRequest(_write(data), is_read=False)


def _write(data: _Data) -> Frame:
    key = words.text_of(data.key) or bytes(data.key).decode()
    check_key(key)
    value = bytes(data.value)
    if not value:
        return Frame(kind=Kind.DEL, name=key.encode())
    return Frame(kind=Kind.PUT, name=key.encode(), payload=value, coding=Coding.JSON)
