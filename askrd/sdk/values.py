"""What a program gets from the daemon: events, gaps, state entries and outcomes, as values."""

from collections.abc import Awaitable
from typing import Any, Generic, TypeVar

import msgspec

from askrd.sdk.payloads import headers_of, read_payload, sender_of
from askrd.sdk.receipts import NO_OPTIONS, Receipt
from askrd.wire.bodies import EventOptions
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.frames import FLAG_KEPT, STAMP_TIME, Coding, Frame, Kind

T = TypeVar("T")

_UNREAD: Any = object()


class Event(Generic[T]):
    """One event as it was told to everyone who listens.

    The payload is decoded when it is looked at.
    """

    __slots__ = ("_frame", "_payload")
    _receipt: Receipt | None = None

    def __init__(self, frame: Frame) -> None:
        """Wraps an `event` frame that is as every listener gets it."""
        self._frame = frame
        self._payload: Any = _UNREAD

    @property
    def subject(self) -> str:
        """Its name, as `FETCHED_TIME`."""
        return self._frame.name.decode("utf-8", "replace")

    @property
    def payload(self) -> T:
        """What was told: any JSON value, bytes, or None; see also `decode`.

        Raises:
            SchemaInvalid: it calls itself JSON and is not.
        """
        if self._payload is _UNREAD:
            self._payload = read_payload(self._frame, at="request")
        return self._payload  # type: ignore[no-any-return]  # T is what the reader says it is

    def with_payload(self, payload: Any) -> "Event[Any]":
        """Returns the same event with another payload, already a value."""
        receipt = self._receipt
        event: Event[Any] = (
            Event(self._frame) if receipt is None else MarkedEvent(self._frame, receipt)
        )
        event._payload = payload
        return event

    def decode(self, as_: Any) -> Any:
        """Returns the payload as a value of the type ``as_``.

        Raises:
            SchemaInvalid: it does not fit; ``details`` has ``path`` and ``expected``.
        """
        return read_payload(self._frame, as_, at="request")

    @property
    def raw(self) -> bytes:
        """The payload's bytes as they came."""
        return self._frame.payload

    @property
    def coding(self) -> Coding:
        """What the bytes of `raw` are."""
        return Coding(self._frame.coding)

    @property
    def service(self) -> str:
        """The emitter's service, or its peer name when it offers none."""
        return sender_of(self._frame.stamp[STAMP_TIME.size :])[0]

    @property
    def instance(self) -> str:
        """The emitter's instance id."""
        return sender_of(self._frame.stamp[STAMP_TIME.size :])[1]

    @property
    def seq(self) -> int:
        """Its number, increasing within one daemon and workspace."""
        return self._frame.id

    @property
    def ts_ms(self) -> int:
        """When the daemon took it, Unix milliseconds; 0 when it does not say."""
        stamp = self._frame.stamp
        if len(stamp) < STAMP_TIME.size:
            return 0
        return int(STAMP_TIME.unpack_from(stamp)[0]) // 1000

    @property
    def kept(self) -> bool:
        """Whether it was stored earlier and is told again."""
        return bool(self._frame.flags & FLAG_KEPT)

    @property
    def retained(self) -> bool:
        """Whether it is the last one of its subject, told because the listener is new."""
        return self._options.retained

    @property
    def log_seq(self) -> int:
        """Its number in the log it was read from; 0 = it was told live."""
        return self._options.log_seq

    @property
    def delivery(self) -> int:
        """How many times the log has told it to this consumer; 0 = no consumer counts."""
        return self._options.delivery

    @property
    def is_collected(self) -> bool:
        """Whether the emitter waits for answers; see `answer`."""
        return bool(self._options.answer)

    @property
    def receipt(self) -> Receipt | None:
        """What it wants back; None when that is nothing."""
        return self._receipt

    @property
    def _options(self) -> EventOptions:
        return NO_OPTIONS if self._receipt is None else self._receipt.options

    @property
    def headers(self) -> dict[str, str]:
        """The emitter's own headers."""
        return headers_of(self._frame)

    # --- what it wants back -----------------------------------------------------------------

    def ack(self) -> Awaitable[None]:
        """Tells the log that its consumer is done with this event.

        It is sent at once. Await it to know that it is safe; a thread, and a blocking client,
        has waited for that when it returns.

        Raises:
            BadRequest: it comes from no consumer's log, or was acknowledged already.
            AskrError: it could not be said; the log tells the event again.
        """
        return self._wanting("ack").ack()

    def nak(self, delay: float = 0.0) -> Awaitable[None]:
        """Has the log tell this event again, to any member of the consumer.

        Args:
            delay: seconds until then, at least; up to 49 days.

        Raises:
            BadRequest: as for `ack`, or the delay is none.
            AskrError: it could not be said; the log tells the event again all the same.
        """
        return self._wanting("nak").nak(delay)

    def answer(self, value: Any) -> Awaitable[None]:
        """Answers the emitter, who collects answers.

        Args:
            value: any JSON value, or bytes; None says that there is nothing to say.

        Raises:
            BadRequest: nobody collects, or this peer has answered.
            AskrError: it could not be said.
        """
        return self._wanting("answer").answer(value)

    def _wanting(self, verb: str) -> Receipt:
        if self._receipt is None:
            raise BadRequest(
                f"{verb}() means nothing to this event: it comes from no log's consumer, and "
                "nobody collects answers to it"
            )
        return self._receipt

    def __repr__(self) -> str:
        return f"Event({self.subject!r}, {self.payload!r}, seq={self.seq})"


class MarkedEvent(Event[T]):
    """An event that is for one subscription only, or wants something back."""

    __slots__ = ("_receipt",)

    def __init__(self, frame: Frame, receipt: Receipt) -> None:
        """Wraps an `event` frame with options.

        Args:
            frame: what arrived.
            receipt: what it wants back.
        """
        super().__init__(frame)
        self._receipt = receipt


class Gap(msgspec.Struct, frozen=True):
    """Events that were lost before they could be read.

    Attributes:
        missed: how many; None = unknown, after a lost connection.
        from_seq: seq of the first lost one; 0 = unknown.
        to_seq: seq of the last lost one; 0 = unknown.
        subjects: how many of each subject, as far as that is known.
    """

    missed: int | None
    from_seq: int = 0
    to_seq: int = 0
    subjects: dict[str, int] = {}

    def __str__(self) -> str:
        if self.missed is None:
            return "events may have been missed while the connection was lost"
        events = "1 event was" if self.missed == 1 else f"{self.missed} events were"
        place = f" (seq {self.from_seq} to {self.to_seq})" if self.from_seq else ""
        return f"{events} lost{place}"


class Entry(msgspec.Struct, frozen=True):
    """One state entry.

    Attributes:
        key: where it lies.
        value: any JSON value, or bytes.
        rev: the workspace's revision at which it got this value.
        ts_ms: when that was, Unix milliseconds.
        changed: for the answer to a write: whether the value was another one before.
        ttl: seconds it still had to live when the daemon said so; None = it stays.
        ephemeral: whether it goes when the peer that wrote it leaves.
        owner: instance id of that peer; empty when it is not ephemeral.
    """

    key: str
    value: Any
    rev: int
    ts_ms: int = 0
    changed: bool = True
    ttl: float | None = None
    ephemeral: bool = False
    owner: str = ""


class Touched(msgspec.Struct, frozen=True):
    """The answer to a touch.

    Attributes:
        key: which entry.
        rev: its revision, a new one.
        ttl: seconds it has to live; None = it stays.
        ts_ms: when it was touched, Unix milliseconds.
    """

    key: str
    rev: int
    ttl: float | None
    ts_ms: int = 0


class Change(msgspec.Struct, frozen=True):
    """One change of a watched entry, or one entry of the snapshot a watch begins with.

    Attributes:
        op: `set` or `del`.
        key: which entry.
        rev: the revision of the change.
        cause: `set` or `del`; `ttl` when its time was over, `owner_gone` when the peer it
            belonged to left, `resync` when a deletion was noticed after a lost connection.
        ts_ms: when, Unix milliseconds.
        snapshot: whether it tells what was there before, and not what changes now.
        past: whether it is told afterwards: by `history`, or by a watch since a revision.
        frame: what carried it.
    """

    op: str
    key: str
    rev: int
    cause: str = ""
    ts_ms: int = 0
    snapshot: bool = False
    past: bool = False
    frame: Frame = Frame(kind=Kind.CHANGE)

    @property
    def value(self) -> Any:
        """The new value: any JSON value, or bytes; None after a deletion.

        Raises:
            SchemaInvalid: it calls itself JSON and is not.
        """
        return read_payload(self.frame)

    def with_key(self, key: str) -> "Change":
        """Returns the same change under another key, as a part of the state names it."""
        return self if key == self.key else msgspec.structs.replace(self, key=key)

    def __repr__(self) -> str:
        return f"Change({self.op!r}, {self.key!r}, {self.value!r}, rev={self.rev})"


class Synced(msgspec.Struct, frozen=True):
    """The end of a watch's beginning: everything up to revision ``rev`` has been told."""

    rev: int


class Outcome(msgspec.Struct, frozen=True):
    """The answer to a command, with who gave it.

    Attributes:
        value: any JSON value, bytes, None, or what ``as_`` asked for.
        service: who answered; `$askr` is the daemon.
        instance: its instance id.
        id: the command's id on this connection.
        ms: milliseconds from sending to the answer.
        kept: whether it is the stored outcome of an earlier command with the same idempotency key.
    """

    value: Any
    service: str
    instance: str
    id: int
    ms: float
    kept: bool = False


class Row(msgspec.Struct, frozen=True):
    """What one instance answered to a survey.

    Attributes:
        service: whose service it is.
        instance: its instance id.
        ok: whether it answered with a value.
        value: that value, or what ``as_`` asked for; None when it failed.
        error: why it failed; None when it did not.
        ms: milliseconds from sending to the row.
    """

    service: str
    instance: str
    ok: bool
    value: Any = None
    error: AskrError | None = None
    ms: float = 0.0


class Emitted(msgspec.Struct, frozen=True):
    """The daemon's confirmation of an event.

    Attributes:
        receivers: sessions it was put before.
        seq: its number.
        answers: how many answered, when answers were collected.
    """

    receivers: int
    seq: int
    answers: int = 0
