"""The messages of node-askr, read and written: JSON objects told apart by their members."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass

import msgspec

from askrd.wire import strict_json
from askrd.wire.errors import BadRequest
from askrd.wire.frames import FLAG_SEALED, Coding, Frame

UNKNOWN_COMMAND = "Command's callback for {} not found"
"""What a node says to a command it does not have, word for word."""
SUBSCRIPTION = "subscription"
HANDSHAKE = "handshake"
_MID = re.compile(rb'[{,]\s*"mid"\s*:\s*("(?:[^"\\\x00-\x1f]|\\.)*"|-?[0-9][0-9.eE+-]*)\s*[,}]')
_UNFIT = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Message(msgspec.Struct, rename={"event_type": "eventType"}):
    workspace: msgspec.Raw = msgspec.Raw()
    mid: msgspec.Raw = msgspec.Raw()
    command: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()
    type: msgspec.Raw = msgspec.Raw()
    event_type: msgspec.Raw = msgspec.Raw()
    payload: msgspec.Raw = msgspec.Raw()
    value: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class Command:
    """A command; ``mid`` and ``data`` are JSON as it came."""

    mid: bytes
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Subscription:
    """The wish to hear an event."""

    event: str


@dataclass(frozen=True, slots=True)
class OneWay:
    """An event, or anything else with a type; ``payload`` is JSON as it came, empty = none."""

    type: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command; ``value`` and ``error`` are JSON as it came, empty = none."""

    mid: bytes
    value: bytes
    error: bytes


@dataclass(frozen=True, slots=True)
class Nothing:
    """An object that means nothing.

    Attributes:
        is_foreign: whether no peer of node-askr would say it.
    """

    is_foreign: bool


Said = Command | Subscription | OneWay | Answer | Nothing

_MESSAGE = msgspec.json.Decoder(_Message)
_STRING = msgspec.json.Decoder(str)


def read(text: bytes) -> Said:
    """Returns what a peer said.

    Raises:
        BadRequest: it is not strict JSON.
    """
    strict_json.check(text)
    try:
        message = _MESSAGE.decode(text)
    except msgspec.MsgspecError as exc:
        raise BadRequest(f"not a message of node-askr: {exc}") from exc
    type_ = text_of(message.type)
    if type_ == SUBSCRIPTION:
        return Subscription(text_of(message.event_type))
    needed = (message.workspace, message.mid, message.command, message.data)
    if all(map(is_truthy, needed)):
        name = text_of(message.command) or bytes(message.command).decode()
        return Command(bytes(message.mid), name, bytes(message.data))
    if type_:
        return OneWay(type_, bytes(message.payload))
    if is_truthy(message.mid) and not is_truthy(message.command):
        return Answer(bytes(message.mid), bytes(message.value), bytes(message.error))
    return Nothing(is_foreign=not bytes(message.mid))


def text_of(raw: msgspec.Raw | bytes) -> str:
    """Returns the string that a piece of JSON is; empty when it is something else."""
    try:
        return _STRING.decode(raw)
    except msgspec.MsgspecError:
        return ""


def is_truthy(raw: msgspec.Raw | bytes) -> bool:
    """Says whether JavaScript takes a piece of JSON for true; one that is missing is not."""
    text = bytes(raw)
    if text in {b"", b"null", b"false", b'""'}:
        return False
    return not (text[0] in b"-0" and float(text) == 0)


def mid_in(beginning: bytes) -> bytes:
    """Returns the `mid` of a message that could not be read as a whole; empty = not found."""
    found = _MID.search(beginning)
    return found[1] if found else b""


def value_of(frame: Frame) -> bytes:
    """Returns a frame's payload as JSON, as short as JSON.stringify writes it; empty = nothing.

    What is no JSON becomes a string of base64.
    """
    if not frame.payload and frame.coding != Coding.BYTES:
        return b""
    if frame.coding == Coding.JSON and not frame.flags & FLAG_SEALED:
        try:
            msgspec.json.decode(frame.payload)
        except _UNFIT:
            pass  # Its sender called it JSON and it is not: JSON.parse must not meet it.
        else:
            return msgspec.json.format(bytes(frame.payload), indent=-1)
    return b'"' + b64encode(frame.payload) + b'"'


def answer(mid: bytes, value: bytes) -> bytes:
    """Returns the reply to a command; an empty ``value`` says that nothing was returned."""
    if not value:
        return b'{"mid":%b}' % mid
    return b'{"mid":%b,"value":%b}' % (mid, value)


def error(mid: bytes, message: str) -> bytes:
    """Returns the reply to a command that failed."""
    return b'{"mid":%b,"error":%b}' % (mid, quoted(message))


def event(name: str, payload: bytes) -> bytes:
    """Returns an event; an empty ``payload`` says that there is none."""
    if not payload:
        return b'{"type":%b}' % quoted(name)
    return b'{"type":%b,"payload":%b}' % (quoted(name), payload)


def subscription(name: str) -> bytes:
    """Returns the wish to hear an event."""
    return b'{"type":"subscription","eventType":%b}' % quoted(name)


def command(mid: str, name: str, data: bytes) -> bytes:
    """Returns a command for a node."""
    written = quoted(mid), quoted(name), data
    return b'{"workspace":"askr","mid":%b,"command":%b,"data":%b}' % written


def quoted(text: str) -> bytes:
    """Returns ``text`` as a JSON string."""
    return msgspec.json.encode(text)
