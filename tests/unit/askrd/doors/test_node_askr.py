"""The node-askr door by itself: what it tells the daemon, and what it writes for which frames."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from askrd.core.session import Session
from askrd.doors.node_askr import NodeAskrDoor
from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import FLAG_MORE, Coding, Frame, Kind
from askrd.wire.limits import DEFAULT_LIMITS, NODE_ASKR_ANSWERS_MAX
from tests.unit.askrd.doors.hearsay import Hearing, Wire, open_session

PATIENCE_S = 10.0


class Plug(Wire):
    """A connection to a node-askr peer on this machine."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


class Bench:
    """A door between a fake peer and a fake daemon."""

    def __init__(self) -> None:
        self.session: Session = open_session()
        self.wire = Plug()
        self.relay = Hearing()
        self.door = NodeAskrDoor(self.relay, self.session, self.wire)

    def take(self, *messages: Any) -> None:
        for message in messages:
            self.door.data_received(msgspec.json.encode(message))

    def ask(self, name: str, mid: str = "m", data: Any = None) -> None:
        given = {} if data is None else data
        self.take({"workspace": "askr", "mid": mid, "command": name, "data": given})

    @property
    def told(self) -> list[Frame]:
        """The frames the daemon got, without the hello."""
        found = split(Assembly(DEFAULT_LIMITS.frame_bytes_max), self.relay.heard)
        frames = [decode(one) for one in found if isinstance(one, bytes)]
        return [frame for frame in frames if frame.kind != Kind.HELLO]

    def hear(self, kind: Kind, id_: int = 0, body: Any = None, **members: Any) -> None:
        """Has the daemon say a frame."""
        payload = b"" if body is None else msgspec.json.encode(body)
        coding = Coding.NONE if body is None else Coding.JSON
        self.door.write(
            [encode(Frame(kind=kind, id=id_, payload=payload, coding=coding, **members))]
        )

    async def written(self, count: int) -> list[bytes]:
        """Returns what was written, once there are so many messages."""
        await until(lambda: len(self.wire.pieces) >= count)
        return self.wire.pieces


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await asyncio.sleep(0)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def test_it_says_hello_in_frames_before_anything_else(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        bench.ask("fetch", data={"a": 1})
        first = decode(bench.relay.heard[: 4 + int.from_bytes(bench.relay.heard[:4], "little")])
        assert first.kind == Kind.HELLO
        assert msgspec.json.decode(first.payload) == {"v": 1, "name": "node-askr", "kind": "legacy"}
        (call,) = bench.told
        assert (call.kind, call.name, call.payload) == (Kind.CALL, b"fetch", b'{"a":1}')
        assert bench.session.via == "tcp+node-askr"
        assert not bench.session.is_held_to_pings

    runner.run(main())


def test_a_command_that_can_be_none_is_not_asked(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        bench.ask("no such thing")
        error = b'{"mid":"m","error":"Command\'s callback for no such thing not found"}'
        assert await bench.written(1) == [error]
        assert bench.told == []

    runner.run(main())


def test_a_survey_is_answered_by_its_rows(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        bench.ask("lab@*.hi")
        bench.hear(Kind.REPLY, 1, 5, flags=FLAG_MORE, stamp=b"lab@a")
        error = {"code": "boom", "message": "no"}
        bench.hear(Kind.FAIL, 1, error, flags=FLAG_MORE, stamp=b"lab@b")
        bench.hear(Kind.REPLY, 1, {"ok": 1, "failed": 1, "lost": 0}, stamp=b"$askr@d")
        (text,) = await bench.written(1)
        good, bad = msgspec.json.decode(text)["value"]
        assert good == {"from": {"service": "lab", "instance": "a"}, "ok": True, "value": 5}
        assert (bad["ok"], bad["error"]) == (False, error)

    runner.run(main())


def test_a_failure_that_cannot_be_read_is_an_answer_too(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        bench.ask("lab.hi", mid="one")
        bench.ask("lab@*.hi", mid="all")
        garbage = Frame(kind=Kind.FAIL, id=1, payload=b"\xff", coding=Coding.JSON, stamp=b"lab@a")
        bench.door.write([encode(garbage)])
        row = msgspec.structs.replace(garbage, id=2, flags=FLAG_MORE)
        bench.door.write([encode(row)])
        bench.hear(Kind.REPLY, 2, {"ok": 0, "failed": 1, "lost": 0}, stamp=b"$askr@d")
        one, every = map(msgspec.json.decode, await bench.written(2))
        assert one == {"mid": "one", "error": every["value"][0]["error"]["message"]}
        assert every["value"][0]["error"]["code"] == "handler_error"

    runner.run(main())


def test_it_answers_pings_and_hides_what_node_askr_does_not_know(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        bench.take({"type": "X"})
        bench.hear(Kind.WELCOME, 0, {})
        bench.hear(Kind.SUBBED, 1)
        bench.hear(Kind.PROGRESS, 1, "half")
        bench.hear(Kind.DRAIN, 0, {})
        bench.hear(Kind.PING, 3)
        await until(lambda: len(bench.told) == 2)
        assert (bench.told[1].kind, bench.told[1].id) == (Kind.PONG, 3)
        assert bench.wire.pieces == []

    runner.run(main())


def test_it_reads_no_more_while_many_answers_are_missing(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        for number in range(NODE_ASKR_ANSWERS_MAX + 1):
            bench.ask("fetch", str(number))
        assert not bench.wire.is_read
        for number in range(NODE_ASKR_ANSWERS_MAX + 1):
            bench.hear(Kind.REPLY, number + 1)
        await until(lambda: bench.wire.is_read)

    runner.run(main())


def test_what_has_no_answer_is_told_so_when_the_daemon_hangs_up(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        bench.ask("fetch")
        bench.door.close(4000, "the daemon is shutting down")
        await until(lambda: bench.wire.is_cut)
        (text,) = bench.wire.pieces
        assert msgspec.json.decode(text) == {
            "mid": "m",
            "error": "the daemon is shutting down; what became of the command is unknown",
        }

    runner.run(main())


def test_one_subscription_per_event_is_enough(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        for event in ("A", "B", "A", "two words", ""):
            bench.take({"type": "subscription", "eventType": event})
        assert [(frame.kind, frame.name) for frame in bench.told] == [
            (Kind.SUB, b"A"),
            (Kind.SUB, b"B"),
        ]

    runner.run(main())
