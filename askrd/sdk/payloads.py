"""Reads what a frame carries beside its name: the payload as a value, the sender, the headers."""

from functools import lru_cache
from typing import Any

import msgspec

from askrd.sdk.shape import Shape, Side, value_of
from askrd.wire.errors import UnsealFailed
from askrd.wire.frames import FLAG_MORE, FLAG_SEALED, Coding, Frame

_BYTES = Coding.BYTES
_UNUSUAL = FLAG_SEALED | FLAG_MORE


class Gathered(Frame, frozen=True, kw_only=True):
    """The outcome of a command that several instances answered; it has the flag MORE.

    Attributes:
        rows: their good replies, in the order they came.
    """

    rows: tuple[Frame, ...] = ()


@lru_cache(maxsize=256)
def _shape(hint: Any) -> Shape:
    return Shape(hint, "the payload")


def read_payload(frame: Frame, as_: Any = None, *, at: Side = "response") -> Any:
    """Returns the value a frame carries: any JSON value, bytes, or None; of rows, a list of them.

    Args:
        frame: what arrived.
        as_: a type to decode and check the payload, or each row's, as; None takes whatever it is.
        at: which side an error blames.

    Raises:
        SchemaInvalid: the payload is not JSON although it says so, or does not fit ``as_``.
        UnsealFailed: it is encrypted, which this version cannot open.
    """
    if frame.flags and frame.flags & _UNUSUAL:
        if type(frame) is Gathered:
            return [read_payload(row, as_, at=at) for row in frame.rows]
        if frame.flags & FLAG_SEALED:
            raise UnsealFailed(
                "the payload is sealed, and this version cannot open it", at="client"
            )
    if as_ is None:
        if frame.coding == _BYTES:
            return frame.payload
        return value_of(frame.payload, frame.coding, at=at)
    return _shape(as_).read(frame.payload, frame.coding, at=at)


@lru_cache(maxsize=4096)
def sender_of(stamp: bytes) -> tuple[str, str]:
    """Returns service and instance of a stamp without a time; both empty when there is none."""
    service, _, instance = stamp.decode("utf-8", "replace").rpartition("@")
    return service, instance


def headers_of(frame: Frame) -> dict[str, str]:
    """Returns the peers' own headers of a frame; empty when they are no object of strings."""
    if not frame.head:
        return {}
    try:
        return msgspec.json.decode(frame.head, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
