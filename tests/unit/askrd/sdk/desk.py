"""A daemon played by hand: an asynchronous client whose every frame the test sees and answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from askrd.sdk.client import Client
from askrd.sdk.framing import FrameReader
from askrd.sdk.transport import Receiver
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.addresses import DaemonAddress
from askrd.wire.codec import encode
from askrd.wire.frames import MAGIC, Coding, Frame, Kind
from askrd.wire.limits import MIB
from tests.unit.askrd.sdk.talk import welcome

STAMP = b"agent@aaaaaa"


class Desk:
    """The daemon's end of one client's connection.

    Attributes:
        client: connected when the story begins.
        heard: frames the client has written, without those that opened the connection.
    """

    def __init__(self) -> None:
        self.heard: list[Frame] = []
        self.client = Client("unix:/run/desk.sock", dial=self._dial, reconnect=False)
        self._reader = FrameReader()
        self._receiver: Receiver | None = None
        self._is_first = True

    async def _dial(self, address: DaemonAddress, receiver: Receiver) -> "Desk":
        self._receiver = receiver
        asyncio.get_running_loop().call_soon(self.say, welcome(payload_bytes_max=MIB))
        return self

    def write(self, data: bytes) -> None:
        """Takes what the client writes."""
        data = bytes(data).removeprefix(MAGIC) if self._is_first else data
        self._is_first = False
        for frame in self._reader.read(data) if data else []:
            if frame.kind not in (Kind.HELLO, Kind.BYE):
                self.heard.append(frame)

    def close(self) -> None:
        """The client has gone."""
        self.cut()

    abort = close

    def cut(self, reason: str = "cut") -> None:
        """Ends the connection."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            asyncio.get_running_loop().call_soon(receiver.connection_lost, reason)

    def say(self, *frames: Frame) -> None:
        """Sends frames to the client."""
        assert self._receiver is not None
        self._receiver.data_received(b"".join(map(encode, frames)))

    async def hear(self, kind: Kind) -> Frame:
        """Returns the next frame, which must be of ``kind``."""
        async with asyncio.timeout(10):
            while not self.heard:
                await asyncio.sleep(0.001)
        frame = self.heard.pop(0)
        assert frame.kind == kind, frame
        return frame

    async def silence(self) -> list[Frame]:
        """Returns what the client says of its own accord within a while."""
        await asyncio.sleep(0.01)
        heard, self.heard = self.heard, []
        return heard


def play(story: Callable[[Desk], Awaitable[Any]]) -> None:
    """Runs a story in virtual time."""

    async def whole() -> None:
        desk = Desk()
        async with desk.client:
            await story(desk)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())


def answer(
    kind: Kind, id_: int, payload: bytes = b"", coding: int = Coding.JSON, **more: Any
) -> Frame:
    """Returns a frame as an instance's answer reaches its caller."""
    coding = coding if payload else Coding.NONE
    return Frame(kind=kind, id=id_, payload=payload, coding=coding, **{"stamp": STAMP, **more})
