"""Puts an answer together that comes in more than one frame, for who waits for one.

Two kinds do: the payload of a large reply comes in pieces in front of it, and a command that its
service declared for all instances is answered by one row of each.
"""

from collections.abc import Callable

import msgspec

from askrd.sdk.flow import Receiving
from askrd.sdk.payloads import Gathered
from askrd.sdk.requests import Promise, error_of
from askrd.wire.bodies import Credit
from askrd.wire.errors import LimitExceeded, PayloadTooLarge
from askrd.wire.frames import FLAG_MORE, Frame, Kind
from askrd.wire.limits import GATHERED_BYTES_MAX, MIB, SURVEY_MEMBERS_MAX


class Pieces:
    """The beginning of a payload whose end is in the reply."""

    __slots__ = ("_bytes", "_parts", "_receiving")

    def __init__(self) -> None:
        """Starts with nothing."""
        self._parts: list[bytes] = []
        self._bytes = 0
        self._receiving = Receiving()

    def add(self, piece: bytes) -> Credit | None:
        """Adds a piece; returns what to grant its sender now.

        Raises:
            PayloadTooLarge: together they are more than a payload may be.
        """
        self._parts.append(piece)
        self._bytes += len(piece)
        if self._bytes > GATHERED_BYTES_MAX:
            raise PayloadTooLarge(
                f"the reply has more than {GATHERED_BYTES_MAX // MIB} MiB; such an amount is a "
                "stream: the command yields pieces, the caller takes them by stream()",
                details={"bytes_max": GATHERED_BYTES_MAX},
                at="response",
            )
        return self._receiving.take(len(piece))

    def join(self, reply: Frame) -> Frame:
        """Returns the reply with the whole payload."""
        if not self._parts:
            return reply
        payload = b"".join((*self._parts, reply.payload))
        self._parts.clear()
        return msgspec.structs.replace(reply, payload=payload)


class Gathering:
    """Stands between a command that expected one frame and the promise of its answer."""

    __slots__ = ("_on_row", "_pieces", "_promise", "_rows")

    def __init__(
        self, promise: Promise | None, on_row: Callable[[Frame], None] | None = None
    ) -> None:
        """Starts with nothing.

        Args:
            promise: who waits; None = nobody.
            on_row: called with each row as it comes. Whoever looks at the rows gets no error when
                none is good.
        """
        self._promise = promise
        self._on_row = on_row
        self._pieces = Pieces()
        self._rows: list[Frame] = []

    def take(self, frame: Frame) -> Credit | None:
        """Takes a piece or a row.

        Raises:
            PayloadTooLarge: the pieces are more than a payload may be.
            LimitExceeded: there are more rows than a survey has.
        """
        if frame.kind == Kind.ITEM:
            return self._pieces.add(frame.payload)
        if frame.kind in (Kind.REPLY, Kind.FAIL):
            if len(self._rows) >= SURVEY_MEMBERS_MAX:
                raise LimitExceeded(f"more than {SURVEY_MEMBERS_MAX} instances answer one command")
            self._rows.append(frame)
            if self._on_row is not None:
                self._on_row(frame)
        return None

    def done(self) -> bool:
        """Says whether nobody waits any more."""
        return self._promise is None or self._promise.done()

    def set_result(self, frame: Frame, /) -> None:
        """Takes the outcome and hands on everything there is."""
        if self._promise is None:
            return
        if not self._rows:
            self._promise.set_result(self._pieces.join(frame))
            return
        good = tuple(row for row in self._rows if row.kind == Kind.REPLY)
        if good or self._on_row is not None:
            flags = frame.flags | FLAG_MORE
            self._promise.set_result(
                Gathered(kind=Kind.REPLY, id=frame.id, flags=flags, stamp=frame.stamp, rows=good)
            )
        else:
            self._promise.set_exception(error_of(self._rows[0]))

    def set_exception(self, error: BaseException, /) -> None:
        """Takes the failure and hands it on."""
        if self._promise is not None:
            self._promise.set_exception(error)
