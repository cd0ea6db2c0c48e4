"""The door to a node-askr service that the daemon dialled: frames to commands, answers to frames."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from askrd.core.effects import Attachment
from askrd.doors.node_askr_link import NodeAskrLink
from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import FLAG_SILENT, Coding, Frame, Kind
from askrd.wire.limits import DEFAULT_LIMITS, NODE_ASKR_ANSWERS_MAX
from tests.unit.askrd.doors.hearsay import Hearing, open_session
from tests.unit.askrd.doors.test_node_askr import Plug, until

AGENT = Attachment(workspace="lab", service="agent", host="h", port=8801)


class Bench:
    """A link between a fake node and a fake daemon."""

    def __init__(self, attachment: Attachment = AGENT) -> None:
        self.wire = Plug()
        self.relay = Hearing()
        self.link = NodeAskrLink(
            self.relay, open_session(), self.wire, attachment, instance="k3Tz9a"
        )
        self.link.greet()
        self.greeting = self.told()

    def told(self) -> list[Frame]:
        """Returns the frames the daemon got since the last time."""
        found = split(Assembly(DEFAULT_LIMITS.frame_bytes_max), self.relay.heard)
        self.relay.heard = b""
        return [decode(one) for one in found if isinstance(one, bytes)]

    def node(self, text: bytes) -> list[Frame]:
        """Has the node say something; returns what the daemon hears of it."""
        self.link.data_received(text)
        return self.told()

    def hear(self, kind: Kind, id_: int = 0, name: str = "", **members: Any) -> None:
        """Has the daemon say a frame."""
        self.link.write([encode(Frame(kind=kind, id=id_, name=name.encode(), **members))])

    async def answer(self) -> Frame:
        """Returns the one frame that the link says by itself."""
        await until(lambda: bool(self.relay.heard))
        (frame,) = self.told()
        return frame


def body(frame: Frame) -> Any:
    return msgspec.json.decode(frame.payload)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def test_it_joins_the_workspace_in_the_name_of_the_node(runner: asyncio.Runner) -> None:
    async def main() -> None:
        hello, offers = Bench().greeting
        assert body(hello) == {
            "v": 1, "name": "agent", "kind": "legacy", "workspace": "lab", "instance": "k3Tz9a",
        }  # fmt: skip
        assert body(offers) == {
            "service": "agent", "doc": "a node-askr service at h:8801",
            "commands": [{"name": "*"}], "emits": ["*"],
            "concurrency": 256,
        }  # fmt: skip

    runner.run(main())


def test_listed_events_are_asked_for_at_once_and_no_others(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench(Attachment("lab", "agent", "h", 1, ("fetch",), ("TICK",)))
        offers = body(bench.greeting[1])
        assert (offers["commands"], offers["emits"]) == ([{"name": "fetch"}], ["TICK"])
        bench.hear(Kind.SUB, name="TOCK")
        bench.hear(Kind.SUB, name="TICK")
        assert bench.wire.pieces == [b'{"type":"subscription","eventType":"TICK"}']

    runner.run(main())


def test_commands_go_out_and_answers_come_in(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        for id_ in (1, 2, 3):
            bench.hear(Kind.CALL, id_, "agent.fetch", payload=b"[1]", coding=Coding.JSON)
        await until(lambda: len(bench.wire.pieces) == 3)
        assert (
            bench.wire.pieces[0] == b'{"workspace":"askr","mid":"1","command":"fetch","data":[1]}'
        )
        value, nothing = bench.node(b'{"mid":"2","value":{"a":1}}{"mid":"1"}')
        assert (value.kind, value.id, value.payload) == (Kind.REPLY, 2, b'{"a":1}')
        assert (nothing.kind, nothing.id, nothing.coding) == (Kind.REPLY, 1, Coding.NONE)
        (error,) = bench.node(b'{"mid":"3","error":"no"}')
        assert (error.kind, body(error)) == (Kind.FAIL, {"code": "handler_error", "message": "no"})

    runner.run(main())


def test_an_answer_to_nothing_and_garbage_are_dropped(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        for text in (b'{"mid":"1"}', b'{"mid":[]}', b'{"mid":"x"}', b"garbage", b'{"type":"a b"}'):
            assert bench.node(text) == []
        (event,) = bench.node(b'{"type":"TICK","payload":1}')
        assert (event.kind, event.name, event.payload) == (Kind.EMIT, b"TICK", b"1")

    runner.run(main())


def test_a_cancelled_command_is_let_go_and_its_answer_dropped(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        bench.hear(Kind.CALL, 1, "agent.slow")
        bench.hear(Kind.CANCEL, 1)
        fail = await bench.answer()
        assert (fail.kind, fail.id, body(fail)["code"]) == (Kind.FAIL, 1, "cancelled")
        assert bench.node(b'{"mid":"1","value":1}') == []

    runner.run(main())


def test_a_command_that_is_told_waits_for_no_answer(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        bench.hear(Kind.CALL, 0, "agent.note", flags=FLAG_SILENT)
        assert len(bench.wire.pieces) == 1
        assert bench.node(b'{"mid":"0"}') == []

    runner.run(main())


def test_more_than_a_node_can_be_told_waits_in_the_daemon(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        for _ in range(NODE_ASKR_ANSWERS_MAX + 2):
            bench.hear(Kind.CALL, 0, "agent.note", flags=FLAG_SILENT)
        assert bench.relay.told == ["paused"]
        bench.link.pause_writing()
        bench.link.resume_writing()
        assert bench.relay.told == ["paused"]
        await until(lambda: len(bench.wire.pieces) > NODE_ASKR_ANSWERS_MAX // 2)
        await until(lambda: bench.relay.told == ["paused", "resumed"])
        bench.link.connection_lost(None)

    runner.run(main())


def test_a_node_that_is_gone_without_a_word_is_missed_by_the_kernel() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, "127.0.0.1", port
        )
        NodeAskrLink(Hearing(), open_session(), transport, AGENT, instance="")
        plug = transport.get_extra_info("socket")
        options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_USER_TIMEOUT")
        told = [plug.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in options]
        assert told == [10, 10, 60_000]
        transport.close()
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("payload", "coding", "code"),
    [
        (b"hi", Coding.BYTES, "bad_request"),
        (b"0", Coding.JSON, "bad_request"),
        (b'""', Coding.JSON, "bad_request"),
        (b'"' + b"x" * 61_440 + b'"', Coding.JSON, "payload_too_large"),
    ],
)
def test_what_a_node_cannot_read_is_not_sent(
    runner: asyncio.Runner, payload: bytes, coding: Coding, code: str
) -> None:
    async def main() -> None:
        bench = Bench()
        bench.hear(Kind.CALL, 1, "agent.fetch", payload=payload, coding=coding)
        fail = await bench.answer()
        assert (fail.id, body(fail)["code"], body(fail)["at"]) == (1, code, "daemon")
        assert bench.wire.pieces == []

    runner.run(main())


def test_one_that_is_not_let_in_hangs_up(runner: asyncio.Runner) -> None:
    async def main() -> None:
        bench = Bench()
        error = b'{"code":"bad_request","message":"no"}'
        bench.hear(Kind.FAIL, 1, payload=error, coding=Coding.JSON)
        assert bench.wire.is_cut
        assert not bench.link.gone.done()
        bench.link.connection_lost(None)
        assert bench.link.gone.done()

    runner.run(main())
