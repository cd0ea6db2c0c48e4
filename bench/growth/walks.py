"""Events of subjects never seen before: what a walk of the pattern tree costs, without a socket.

A daemon remembers who hears a subject, so a subject emitted again costs no walk at all. Here every
event has a new subject, and the tree holds more and more patterns that do not fit it, in three
shapes, each with 10 % wildcards.
"""

import time
from collections.abc import Callable

from askrd.core.session import Session
from askrd.wire.codec import encode
from askrd.wire.frames import Coding, Frame, Kind
from bench.router_works import BATCH, NOW_US, PAYLOAD, Hall

PER_PEER = 500
WILDCARDS = 10
"""One pattern in so many has a wildcard."""


def apart(number: int) -> str:
    """Patterns under another first word: `room.7.moved`, `room.*.moved-7`, `room.7.**`."""
    if number % WILDCARDS:
        return f"room.{number}.moved"
    return f"room.{number}.**" if number % (2 * WILDCARDS) else f"room.*.moved-{number}"


def crossing(number: int) -> str:
    """Patterns under the same first word, the wildcard a whole word: `bench.*.moved-7`."""
    return f"bench.u{number}.moved" if number % WILDCARDS else f"bench.*.moved-{number}"


def beside(number: int) -> str:
    """Patterns under the same first word, the wildcard inside a word: `bench.u7-*.done`."""
    return f"bench.u{number}.done" if number % WILDCARDS else f"bench.u{number}-*.done"


SHAPES: dict[str, Callable[[int], str]] = {"apart": apart, "crossing": crossing, "beside": beside}
LISTENED = "bench.*.done"


class Walks:
    """One emitter, one listener, so many unrelated patterns, and a new subject for every event."""

    def __init__(self, shape: str, patterns: int) -> None:
        self.hall = Hall()
        self.listener = self.hall.join()
        self._subscribe(self.listener, 1, LISTENED)
        made = SHAPES[shape]
        for first in range(0, patterns, PER_PEER):
            peer = self.hall.join()
            for number in range(first, min(first + PER_PEER, patterns)):
                self._subscribe(peer, number - first + 1, made(number))
        self.emitter = self.hall.join()
        self.emitted = 0

    def _subscribe(self, peer: Session, id_: int, pattern: str) -> None:
        frame = Frame(kind=Kind.SUB, id=id_, name=pattern.encode())
        self.hall.ask(peer, frame, Kind.SUBBED)

    def __call__(self) -> tuple[int, int]:
        """Returns the number of events and the nanoseconds they took."""
        names = [b"bench.e%d.done" % number for number in range(self.emitted, self.emitted + BATCH)]
        self.emitted += BATCH
        data = b"".join(
            encode(Frame(kind=Kind.EMIT, name=name, payload=PAYLOAD, coding=Coding.JSON))
            for name in names
        )
        started = time.perf_counter_ns()
        self.hall.router.feed(self.emitter, data, NOW_US)
        taken_ns = time.perf_counter_ns() - started
        heard = self.hall.flush()
        assert heard.keys() == {self.listener}, f"{len(heard)} sessions heard it"
        return BATCH, taken_ns
