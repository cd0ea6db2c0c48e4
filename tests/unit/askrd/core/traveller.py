"""A peer at the desk that loses its connection and comes back on another one."""

from __future__ import annotations

from typing import Any

from askrd.core.effects import Rebind
from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import Desk, body

WINDOW_US = Limits().resume_terminal_ms * 1000


class Traveller:
    """A resumable peer over several connections; it does what a relay and a peer do."""

    def __init__(self, desk: Desk, name: str = "me", **hello: Any) -> None:
        self.desk = desk
        self.hello = {"name": name, "resumable": True} | hello
        self.mate = desk.connect()
        self.mate.hello(**self.hello)
        self.session = self.mate.session
        self.received = 0
        (welcome, *_) = self.hear()
        self.welcome = body(welcome)
        self.received -= len(encode(welcome))

    def hear(self) -> list[Frame]:
        """Returns what it got, as the relay would have written and counted it."""
        data = b"".join(self.session.outbox.take())
        if self.session.resumption is not None:
            self.session.resumption.tail.add(data)
        self.received += len(data)
        return frames_in(data)

    def miss(self) -> None:
        """Has what was written get lost on its way."""
        received = self.received
        self.hear()
        self.received = received

    def lose(self) -> None:
        self.desk.router.lose(self.session, "lost", self.desk.now_us)
        self.desk.settle()

    def come_back(self, **hello: Any) -> list[Frame]:
        """Connects again; returns what comes on the connection before what waits."""
        self.link = self.desk.connect()
        self.desk.effects.clear()
        said = {"instance": self.welcome["instance"], "resume": self.welcome["resume"]}
        self.link.hello(**self.hello | said | {"received": self.received} | hello)
        return self.rebound()

    def rebound(self) -> list[Frame]:
        found = [effect for effect in self.desk.effects if isinstance(effect, Rebind)]
        if not found:
            return []
        assert found[0].session is self.session
        frames = frames_in(b"".join(found[0].first))
        self.received += sum(len(encode(frame)) for frame in frames[1:])
        return frames

    def catch_up(self) -> list[Frame]:
        """Reads what waited, as the relay writes it behind the rebound."""
        found = []
        while self.session.outbox.is_paused:
            found += self.hear()
        self.desk.router.resume(self.session, self.desk.now_us)
        self.desk.settle()
        return found + self.hear()

    @property
    def outcome(self) -> dict[str, Any]:
        """What the daemon says to a connection that did not go on."""
        (first, *_) = self.link.heard()
        answer: dict[str, Any] = body(first)
        return answer


def frames_in(data: bytes) -> list[Frame]:
    found = split(Assembly(100_000_000), data)
    return [decode(item) for item in found if isinstance(item, bytes)]


def kinds(frames: list[Frame]) -> list[int]:
    return [frame.kind for frame in frames]


def subscribe(peer: Traveller, pattern: str) -> None:
    peer.mate.sub(1, pattern)
    assert kinds(peer.hear()) == [Kind.SUBBED]
