"""Holds how a connection writes, waits and comes back, over a transport in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from askrd.sdk.connection import WRITE_BYTES, Connection
from askrd.sdk.conversation import Conversation
from askrd.sdk.errors import CannotConnect
from askrd.sdk.exchange import BURST_FRAMES
from askrd.sdk.framing import FrameReader
from askrd.sdk.transport import Receiver
from askrd.sdk.where import Where
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.addresses import DaemonAddress, parse_url
from askrd.wire.codec import encode
from askrd.wire.errors import AskrError, ConnectionLost, VersionUnsupported
from askrd.wire.frames import MAGIC, Frame, Kind
from tests.unit.askrd.sdk.talk import Listener, body, welcome

PLACE = Where((parse_url("unix:/run/askrd.sock"),))


class Cable:
    """A transport whose other end is the test."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.written: list[bytes] = []
        self.is_open = True

    def write(self, data: bytes) -> None:
        assert self.is_open
        self.written.append(data)

    def close(self) -> None:
        self.cut("closed")

    def abort(self) -> None:
        self.cut("aborted")

    def cut(self, reason: str) -> None:
        if self.is_open:
            self.is_open = False
            asyncio.get_running_loop().call_soon(self.receiver.connection_lost, reason)

    def say(self, *frames: Frame) -> None:
        self.receiver.data_received(b"".join(map(encode, frames)))


class Exchange:
    """Hands out cables; each greets with the next of the prepared answers."""

    def __init__(self, *greetings: Frame | None) -> None:
        self.cables: list[Cable] = []
        self._greetings = list(greetings)

    async def dial(self, address: DaemonAddress, receiver: Receiver) -> Cable:
        if not self._greetings:
            raise CannotConnect(address.url, "connection refused")
        greeting = self._greetings.pop(0)
        cable = Cable(receiver)
        self.cables.append(cable)
        if greeting is not None:
            asyncio.get_running_loop().call_soon(cable.say, greeting)
        return cable


def connection(exchange: Exchange, **options: Any) -> Connection:
    return Connection(Conversation(name="me"), lambda: PLACE, dial=exchange.dial, **options)


def run(main: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main())  # type: ignore[arg-type]  # a coroutine function's result


def test_the_magic_comes_first_and_a_turn_of_the_loop_is_one_write() -> None:
    async def main() -> None:
        exchange = Exchange(welcome())
        made = connection(exchange)
        assert (await made.open()).instance == "k3Tz9a"
        cable = exchange.cables[0]
        assert cable.written[0] == MAGIC
        assert len(cable.written) == 2
        for _ in range(5):
            made.conversation.emit("a", b"", 0)
        assert len(cable.written) == 2
        await asyncio.sleep(0)
        assert len(cable.written) == 3
        await made.close()

    run(main)


def test_a_daemon_that_does_not_read_holds_writers_back() -> None:
    async def main() -> None:
        exchange = Exchange(welcome())
        made = connection(exchange)
        await made.open()
        cable = exchange.cables[0]
        cable.receiver.pause_writing()
        made.conversation.emit("a", b"", 0)
        with pytest.raises(ConnectionLost, match="does not read") as caught:
            await made.ready(timeout_s=1.0)
        assert caught.value.details == {"delivered": "no"}
        assert len(cable.written) == 2
        cable.receiver.resume_writing()
        await made.ready(timeout_s=1.0)
        assert len(cable.written) == 3
        await made.close()

    run(main)


def test_much_output_does_not_wait_for_the_end_of_the_turn() -> None:
    async def main() -> None:
        exchange = Exchange(welcome())
        made = connection(exchange)
        await made.open()
        made.conversation.emit("a", b"x" * (WRITE_BYTES + 1), 2)
        await made.settle()
        assert made.conversation.exchange.waiting_bytes == 0
        assert len(exchange.cables[0].written) == 3
        await made.close()

    run(main)


def test_a_burst_of_frames_goes_out_before_the_turn_ends() -> None:
    async def main() -> None:
        exchange = Exchange(welcome())
        made = connection(exchange)
        await made.open()
        for _ in range(BURST_FRAMES + 1):
            made.conversation.emit("a", b"x", 2)
        burst = exchange.cables[0].written[-1]
        assert len(FrameReader().read(burst)) == BURST_FRAMES
        await asyncio.sleep(0)
        assert len(FrameReader().read(exchange.cables[0].written[-1])) == 1
        await made.close()

    run(main)


def test_everything_that_stands_goes_out_in_one_write() -> None:
    async def main() -> None:
        exchange = Exchange(welcome())
        made = connection(exchange)
        for number in range(BURST_FRAMES * 2):
            made.conversation.subscribe(f"a{number}", Listener().subscription)
        await made.open()
        magic, opening = exchange.cables[0].written
        assert magic == MAGIC
        assert len(FrameReader().read(opening)) == 1 + BURST_FRAMES * 2
        await made.close()

    run(main)


def test_it_comes_back_after_a_cut_with_growing_patience() -> None:
    async def main() -> None:
        exchange = Exchange(welcome(), None, welcome("e2"))
        made = connection(exchange)
        heard: list[str] = []
        made.on_connected = lambda told: heard.append(told.epoch)
        made.on_disconnected = lambda error: heard.append(error.message.partition(";")[0])
        await made.open()
        exchange.cables[0].cut("cable pulled")
        await asyncio.sleep(0)
        await made.ready(timeout_s=60.0)
        assert heard == ["e1", "cable pulled", "e2"]
        assert [cable.is_open for cable in exchange.cables] == [False, False, True]
        await made.close()
        assert not exchange.cables[2].is_open

    run(main)


def test_an_old_loss_is_no_reason_for_what_happens_later() -> None:
    async def main() -> None:
        exchange = Exchange(welcome(), welcome("e2"))
        made = connection(exchange)
        await made.open()
        exchange.cables[0].cut("cable pulled")
        await asyncio.sleep(0)
        await made.ready(timeout_s=60.0)
        exchange.cables[1].receiver.pause_writing()
        with pytest.raises(ConnectionLost, match="does not read"):
            await made.ready(timeout_s=1.0)
        await made.close()

    run(main)


def test_a_refusal_on_the_way_back_is_the_end() -> None:
    async def main() -> None:
        refusal = body(Kind.ERROR, {"code": "version_unsupported", "message": "too old"})
        exchange = Exchange(welcome(), refusal)
        made = connection(exchange)
        ended: asyncio.Future[AskrError] = asyncio.get_running_loop().create_future()
        made.on_ended = ended.set_result
        await made.open()
        waiting: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        made.conversation.call("a.b", b"", 0, waiting)
        made.flush()
        exchange.cables[0].cut("cable pulled")
        exchange.cables[0].receiver.connection_lost("again")
        with pytest.raises(ConnectionLost):
            await waiting
        # The refusing daemon closes too.
        while len(exchange.cables) < 2:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0)
        exchange.cables[1].cut("closed")
        assert isinstance(await ended, VersionUnsupported)
        with pytest.raises(ConnectionLost, match="too old"):
            await made.ready()
        await made.close()

    run(main)


def test_a_silent_daemon_is_dropped() -> None:
    async def main() -> None:
        exchange = Exchange(welcome())
        made = connection(exchange, reconnect=False)
        ended: asyncio.Future[AskrError] = asyncio.get_running_loop().create_future()
        made.on_ended = ended.set_result
        await made.open()
        start = asyncio.get_running_loop().time()
        assert "silent" in (await ended).message
        assert 20 <= asyncio.get_running_loop().time() - start <= 21.5
        assert not exchange.cables[0].is_open

    run(main)


def test_an_attempt_has_a_deadline_and_leaves_nothing_open() -> None:
    async def main() -> None:
        exchange = Exchange(None)
        with pytest.raises(CannotConnect, match="no answer within 5 s"):
            await connection(exchange).open()
        assert not exchange.cables[0].is_open

    run(main)


def test_closing_that_is_cancelled_still_ends_everything() -> None:
    async def main() -> None:
        exchange = Exchange(welcome())
        made = connection(exchange)
        await made.open()
        cable = exchange.cables[0]
        cable.close = lambda: None  # type: ignore[method-assign]  # it hangs
        listener = Listener()
        made.conversation.subscribe("a", listener.subscription)
        closing = asyncio.get_running_loop().create_task(made.close())
        await asyncio.sleep(0.1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert not cable.is_open
        assert [type(told) for told in listener.told] == [ConnectionLost]

    run(main)


def test_after_closing_it_may_connect_again_as_often_as_it_takes() -> None:
    async def main() -> None:
        exchange = Exchange(welcome())
        made = connection(exchange)
        await made.open()
        await made.close()
        for _ in range(2):
            with pytest.raises(CannotConnect, match="connection refused"):
                await made.open()
        with pytest.raises(ConnectionLost, match="connect first"):
            await made.ready()

    run(main)


def test_what_is_dialled_while_it_closes_is_not_kept() -> None:
    async def main() -> None:
        exchange = Exchange(welcome())
        made = connection(exchange)
        is_free = asyncio.Event()

        async def dial(address: DaemonAddress, receiver: Receiver) -> Cable:
            await is_free.wait()
            return await exchange.dial(address, receiver)

        made._dial = dial
        opening = asyncio.get_running_loop().create_task(made.open())
        await asyncio.sleep(0.1)
        await made.close()
        is_free.set()
        with pytest.raises(CannotConnect, match="closed on this side"):
            await opening
        assert not exchange.cables[0].is_open

    run(main)


def test_a_welcome_in_the_moment_in_which_patience_ends_counts() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        exchange = Exchange(None)
        made = connection(exchange, connect_timeout_s=5.0)
        opening = loop.create_task(made.open())
        await asyncio.sleep(0)
        loop.call_at(4.9, exchange.cables[0].say, welcome())
        loop.call_at(4.0, loop.jump, 2.0)  # type: ignore[attr-defined]  # busy: both are due
        assert (await opening).instance == "k3Tz9a"
        await made.close()

    run(main)
