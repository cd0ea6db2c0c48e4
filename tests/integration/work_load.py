"""Peers that give jobs and log events as fast as they are answered, and know what they were told."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.integration.text_peer import Frame, TextPeer

PATIENCE_S = 30.0
UNDER_WAY_MAX = 16
LOG = {"name": "news", "patterns": ["NEWS.**"]}

Turn = Callable[[TextPeer], None]


@contextmanager
def going_on(url: str, turns: dict[str, Turn]) -> Iterator[None]:
    """Has peers, by name, take one turn after the other while the block lasts.

    A peer whose connection is lost ends by itself.
    """
    stop = threading.Event()

    def run(name: str, turn: Turn) -> None:
        with contextlib.suppress(OSError, ConnectionError, ValueError):
            peer = TextPeer(url, name=name)
            try:
                while not stop.is_set():
                    turn(peer)
            finally:
                peer.drop()

    threads = [threading.Thread(target=run, args=item) for item in turns.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)


class Giver:
    """Gives jobs, one after the other.

    Attributes:
        accepted: what was given, by job id, once it was answered.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.accepted: dict[str, str] = {}
        self._turn = 0

    def turn(self, peer: TextPeer) -> None:
        self._turn += 1
        given = f"{self.name}/{self._turn}"
        told = peer.ask(k="call", id=1, to="worker.run", d=given)
        assert told["k"] == "reply", told
        assert told["d"]["job"] not in self.accepted
        self.accepted[told["d"]["job"]] = given


class Emitter:
    """Emits events that a log keeps, one after the other.

    Attributes:
        answered: the payloads of those whose receipt was answered.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.answered: list[str] = []
        self._turn = 0

    def turn(self, peer: TextPeer) -> None:
        self._turn += 1
        payload = f"{self.name}/{self._turn}"
        told = peer.ask(k="emit", id=1, event=f"NEWS.{self.name}", d=payload)
        assert told["k"] == "emitted", told
        self.answered.append(payload)


class Consumer:
    """Reads a log as one consumer over several lives of the daemon, and acknowledges what it reads.

    Attributes:
        delivered: payloads by number in the log.
        settled: numbers whose acknowledgement was answered.
        repeated: what was delivered although that was so.
    """

    def __init__(self) -> None:
        self.delivered: dict[int, str] = {}
        self.settled: set[int] = set()
        self.repeated: list[Frame] = []

    def follow(self, url: str) -> None:
        """Reads until the connection is lost."""
        with contextlib.suppress(OSError, ConnectionError, ValueError):
            with TextPeer(url, name="consumer") as peer:
                self.read(peer, lambda: False)

    def read(self, peer: TextPeer, is_enough: Callable[[], bool]) -> None:
        """Reads until it is enough."""
        told = peer.ask(
            k="sub", id=1, pattern="**", log="news", consumer="one", unacked_max=UNDER_WAY_MAX
        )
        assert told["k"] == "subbed", told
        asked: dict[int, int] = {}
        while not is_enough():
            frame = peer.hear()
            if frame["k"] == "ok":
                self.settled.add(asked.pop(frame["id"]))
                continue
            assert frame["k"] == "event", frame
            self._take(frame)
            asked[frame["log_seq"] + 1] = frame["log_seq"]
            peer.say(k="ack", id=frame["log_seq"] + 1, sub=1, seq=frame["log_seq"])

    def _take(self, frame: Frame) -> None:
        seq = frame["log_seq"]
        if seq in self.settled:
            self.repeated.append(frame)
        assert self.delivered.setdefault(seq, frame["d"]) == frame["d"]


def everything_in_the_log(url: str, count: int) -> dict[int, str]:
    """Returns so many events of the log, from its first one, by their number in the order they came."""
    with TextPeer(url, name="reader") as peer:
        peer.ask(k="sub", id=1, pattern="**", log="news", start="first")
        return {
            frame["log_seq"]: frame["d"]
            for frame in (peer.hear_kind("event") for _ in range(count))
        }


def of_daemon(peer: TextPeer, command: str, **arguments: object) -> object:
    """Returns what one of the daemon's own commands answers."""
    told = peer.ask(k="call", id=1, to=f"$askr.{command}", d=arguments)
    assert told["k"] == "reply", told
    return told["d"]
