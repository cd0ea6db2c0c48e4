"""The memory daemon is the real router: peers open, ask each other, time out and leave."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from askrd.testing.memory_daemon import MemoryConnection, MemoryDaemon
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import Coding, Frame, Kind


class Peer:
    """A peer that keeps every frame it gets."""

    def __init__(self, daemon: MemoryDaemon, name: str) -> None:
        self.frames: list[Frame] = []
        self.closed: tuple[int, str] | None = None
        self._assembly = Assembly(1 << 21)
        self.connection: MemoryConnection = daemon.connect(self._receive, self._over)
        self.say(Kind.HELLO, 0, body={"v": 1, "name": name})

    def _receive(self, data: bytes) -> None:
        self.frames += map(decode, split(self._assembly, data))

    def _over(self, close_code: int, reason: str) -> None:
        self.closed = (close_code, reason)

    def say(self, kind: Kind, id_: int, name: str = "", *, body: Any = None, **fields: Any) -> None:
        frame = Frame(
            kind=kind, id=id_, name=name.encode(), payload=json.dumps(body).encode(),
            coding=Coding.JSON, **fields,
        )  # fmt: skip
        self.connection.write(encode(frame))

    async def hear(self, kind: Kind) -> Frame:
        """Returns the next frame of a kind, within 100 virtual seconds."""
        async with asyncio.timeout(100):
            while True:
                for frame in self.frames:
                    if frame.kind == kind:
                        self.frames.remove(frame)
                        return frame
                await asyncio.sleep(0.01)


def live(story: Callable[[MemoryDaemon], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        daemon = MemoryDaemon(seed=7)
        try:
            return await story(daemon)
        finally:
            daemon.stop()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(whole())


async def service(daemon: MemoryDaemon) -> Peer:
    peer = Peer(daemon, "greet")
    peer.say(Kind.PROVIDE, 1, body={"service": "greet", "commands": [{"name": "hi"}]})
    await peer.hear(Kind.PROVIDED)
    return peer


def test_command_goes_there_and_back() -> None:
    async def story(daemon: MemoryDaemon) -> tuple[bytes, bytes]:
        callee, caller = await service(daemon), Peer(daemon, "me")
        caller.say(Kind.CALL, 5, "hi", body="ann")
        call = await callee.hear(Kind.CALL)
        callee.say(Kind.REPLY, call.id, body="hi ann")
        reply = await caller.hear(Kind.REPLY)
        assert (call.name, reply.id) == (b"greet.hi", 5)
        return call.payload, reply.payload

    assert live(story) == (b'"ann"', b'"hi ann"')


def test_deadline_passes_in_virtual_time() -> None:
    async def story(daemon: MemoryDaemon) -> tuple[str, float]:
        callee, caller = await service(daemon), Peer(daemon, "me")
        caller.say(Kind.CALL, 5, "hi", ttl_ms=30_000)
        fail = await caller.hear(Kind.FAIL)
        cancel = await callee.hear(Kind.CANCEL)
        assert json.loads(cancel.payload) == {"reason": "deadline"}
        return json.loads(fail.payload)["code"], daemon.loop.time()

    code, seconds = live(story)
    assert code == "deadline_exceeded"
    assert 30 <= seconds < 30.5


def test_lost_instance_fails_its_commands() -> None:
    async def story(daemon: MemoryDaemon) -> dict[str, Any]:
        callee, caller = await service(daemon), Peer(daemon, "me")
        caller.say(Kind.CALL, 5, "hi")
        await callee.hear(Kind.CALL)
        callee.connection.lose("cable")
        fail = await caller.hear(Kind.FAIL)
        assert callee.closed == (1006, "cable")
        return json.loads(fail.payload)

    assert live(story)["code"] == "instance_lost"


def test_state_write_is_answered() -> None:
    async def story(daemon: MemoryDaemon) -> bytes:
        peer = Peer(daemon, "me")
        peer.say(Kind.PUT, 1, "config/theme", body="dark")
        return (await peer.hear(Kind.OK)).name

    assert live(story) == b"config/theme"


def test_goodbye_closes() -> None:
    async def story(daemon: MemoryDaemon) -> tuple[int, str] | None:
        peer = Peer(daemon, "me")
        await peer.hear(Kind.WELCOME)
        peer.say(Kind.BYE, 0, body={})
        async with asyncio.timeout(10):
            while peer.closed is None:
                await asyncio.sleep(0.01)
        return peer.closed

    assert live(story) == (1000, "bye")


def test_same_seed_gives_the_same_ids() -> None:
    async def story(daemon: MemoryDaemon) -> bytes:
        return (await Peer(daemon, "me").hear(Kind.WELCOME)).payload

    assert live(story) == live(story)
