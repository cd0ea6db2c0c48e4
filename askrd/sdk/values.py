"""What a program gets from the daemon: events, gaps, state entries and outcomes, as values."""

from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from askrd.sdk.shape import Shape, Side, value_of
from askrd.wire.errors import AskrError, UnsealFailed
from askrd.wire.frames import FLAG_KEPT, FLAG_MORE, FLAG_SEALED, STAMP_TIME, Coding, Frame, Kind

T = TypeVar("T")

_UNREAD: Any = object()
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


class Event(Generic[T]):
    """One event as it was told to everyone who listens.

    The payload is decoded when it is looked at.
    """

    __slots__ = ("_frame", "_payload")

    def __init__(self, frame: Frame) -> None:
        """Wraps an `event` frame."""
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
        event: Event[Any] = Event(self._frame)
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
    def headers(self) -> dict[str, str]:
        """The emitter's own headers."""
        return headers_of(self._frame)

    def __repr__(self) -> str:
        return f"Event({self.subject!r}, {self.payload!r}, seq={self.seq})"


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
        return f"{self.missed} events were lost (seq {self.from_seq} to {self.to_seq})"


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
    """

    receivers: int
    seq: int
