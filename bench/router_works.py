"""What the micro-benchmarks ask of the pure router: commands, events, and writes of the state.

A work hands over one read of `BATCH` frames, as a busy connection would, and takes every outbox as
one joined write, as a door would. Preparing the frames and checking the answers is not timed.
"""

import time
from collections.abc import Iterator

from askrd.core.router import Router
from askrd.core.session import Session
from askrd.core.switchboard import Daemon
from askrd.version import VERSION
from askrd.wire.codec import Assembly, encode, split
from askrd.wire.frames import Coding, Frame, Kind
from askrd.wire.limits import DEFAULT_LIMITS

BATCH = 400
"""Frames of one read."""
PAYLOAD = b'"' + b"x" * 126 + b'"'
"""128 bytes of JSON."""
SUBJECT = b"bench.event"
FAN_OUTS = (1, 10, 100)
WRITTEN = 64
"""Keys that are written again and again."""
NOW_US = 1_000_000


class Hall:
    """A router with some sessions, and the writes their doors would have made."""

    def __init__(self, router_type: type[Router] = Router) -> None:
        daemon = Daemon(id="bench", epoch="0", version=VERSION, build="bench", workspace="askr")
        self.router = router_type(daemon, now_us=NOW_US)
        self.joined = 0

    def join(self) -> Session:
        """Returns a new session that has been welcomed."""
        self.joined += 1
        session = self.router.connect(
            suffix=f"{self.joined:06}", secret="", via="tcp", address="", now_us=NOW_US
        )
        hello = b'{"v":[1],"name":"bench"}'
        self.ask(session, Frame(kind=Kind.HELLO, payload=hello, coding=Coding.JSON), Kind.WELCOME)
        return session

    def ask(self, session: Session, frame: Frame, answer: Kind) -> None:
        """Feeds one frame and checks the kind of the answer."""
        self.router.feed(session, encode(frame), NOW_US)
        kinds = [data[4] for data in _frames(self.flush()[session])]
        assert kinds == [answer], kinds

    def flush(self) -> dict[Session, bytes]:
        """Takes what waits for each session as one write."""
        router = self.router
        writes = {session: b"".join(session.outbox.take()) for session in router.dirty}
        router.dirty.clear()
        router.board.queued_bytes = 0
        return writes


def _frames(data: bytes) -> list[bytes]:
    found = split(Assembly(DEFAULT_LIMITS.frame_bytes_max), data)
    return [frame for frame in found if isinstance(frame, bytes)]


class Commands:
    """One caller, one callee, a read of commands answered by a read of replies."""

    def __init__(self, router_type: type[Router] = Router) -> None:
        self.hall = Hall(router_type)
        self.callee, self.caller = self.hall.join(), self.hall.join()
        body = b'{"service":"echo","commands":[{"name":"run"}]}'
        provide = Frame(kind=Kind.PROVIDE, id=1, payload=body, coding=Coding.JSON)
        self.hall.ask(self.callee, provide, Kind.PROVIDED)
        self.calls = b"".join(_call(id_) for id_ in range(1, BATCH + 1))
        self()

    def __call__(self) -> tuple[int, int]:
        """Returns the number of round trips and the nanoseconds they took."""
        router, caller, callee = self.hall.router, self.caller, self.callee
        first = callee.last_id + 1
        replies = b"".join(_reply(rid) for rid in range(first, first + BATCH))
        started = time.perf_counter_ns()
        router.feed(caller, self.calls, NOW_US)
        asked = self.hall.flush()
        router.feed(callee, replies, NOW_US)
        answered = self.hall.flush()
        taken_ns = time.perf_counter_ns() - started
        _check(asked, [callee], Kind.CALL)
        _check(answered, [caller], Kind.REPLY)
        return BATCH, taken_ns


class Events:
    """One emitter, some listeners, a read of events."""

    def __init__(self, listeners: int, router_type: type[Router] = Router) -> None:
        self.hall = Hall(router_type)
        self.listeners = [self.hall.join() for _ in range(listeners)]
        for listener in self.listeners:
            self.hall.ask(listener, Frame(kind=Kind.SUB, id=1, name=SUBJECT), Kind.SUBBED)
        self.emitter = self.hall.join()
        emit = Frame(kind=Kind.EMIT, name=SUBJECT, payload=PAYLOAD, coding=Coding.JSON)
        self.emits = encode(emit) * BATCH
        self()

    def __call__(self) -> tuple[int, int]:
        """Returns the number of deliveries and the nanoseconds they took."""
        started = time.perf_counter_ns()
        self.hall.router.feed(self.emitter, self.emits, NOW_US)
        heard = self.hall.flush()
        taken_ns = time.perf_counter_ns() - started
        _check(heard, self.listeners, Kind.EVENT)
        return BATCH * len(self.listeners), taken_ns


class Writes:
    """One writer, a read of writes to some keys, all of which a store then says it has kept."""

    def __init__(self, router_type: type[Router] = Router) -> None:
        self.hall = Hall(router_type)
        self.writer = self.hall.join()
        self.hall.router.effects.clear()
        self.rounds = 0

    def __call__(self) -> tuple[int, int]:
        """Returns the number of writes and the nanoseconds they took."""
        self.rounds += 1
        router, ids = self.hall.router, range(1, BATCH + 1)
        puts = b"".join(_put(id_, self.rounds * BATCH + id_) for id_ in ids)
        started = time.perf_counter_ns()
        router.feed(self.writer, puts, NOW_US)
        effects = router.effects.copy()
        router.effects.clear()
        router.committed(effects[-1].ticket, NOW_US)
        answered = self.hall.flush()
        taken_ns = time.perf_counter_ns() - started
        assert len(effects) == BATCH
        _check(answered, [self.writer], Kind.OK)
        return BATCH, taken_ns


def _put(id_: int, number: int) -> bytes:
    name, value = b"bench/%d" % (id_ % WRITTEN), PAYLOAD[:-9] + b'%08d"' % number
    return encode(Frame(kind=Kind.PUT, id=id_, name=name, payload=value, coding=Coding.JSON))


def _call(id_: int) -> bytes:
    name, coding = b"echo.run", Coding.JSON
    return encode(Frame(kind=Kind.CALL, id=id_, name=name, payload=PAYLOAD, coding=coding))


def _reply(rid: int) -> bytes:
    return encode(Frame(kind=Kind.REPLY, id=rid, payload=PAYLOAD, coding=Coding.JSON))


def _check(writes: dict[Session, bytes], receivers: list[Session], kind: Kind) -> None:
    """Refuses a figure unless exactly the receivers got a full batch, looked at in one of them."""
    assert writes.keys() == set(receivers), f"{len(writes)} sessions got something"
    kinds = [data[4] for data in _frames(writes[receivers[-1]])]
    assert kinds == [kind] * BATCH, f"{len(kinds)} frames, not {BATCH} of kind {kind.name}"
    assert len({len(data) for data in writes.values()}) == 1, "receivers got different amounts"


def router_works() -> Iterator[tuple[str, str, Commands | Events | Writes]]:
    """Yields the router's works: name, title, and what to time."""
    yield "call", "router: command and reply", Commands()
    for count in FAN_OUTS:
        yield f"event-{count}", f"router: one delivery, event 1 to {count}", Events(count)
    yield "write", "router: write of the state, kept", Writes()
