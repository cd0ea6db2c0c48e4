"""Holds that spare connections are kept, and that one of them goes on when the active one dies."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from askrd import Client, ConnectionLost
from askrd.sdk.spares import SILENT_AFTER_S, check_connections
from askrd.testing.memory_daemon import MemoryConnection, MemoryDaemon
from askrd.testing.memory_transport import URL, MemoryDoor
from askrd.testing.virtual_time import VirtualTimeLoop


class Story:
    """A memory daemon and a client with two connections, and what the client was told."""

    def __init__(self, connections: int = 2) -> None:
        self.daemon = MemoryDaemon()
        self.door = MemoryDoor(self.daemon)
        self.client = Client(URL, dial=self.door, connections=connections)
        self.told: list[str] = []
        self.client.on_connected = lambda _: self.told.append("connected")
        self.client.on_disconnected = lambda _: self.told.append("disconnected")

    @property
    def active(self) -> MemoryConnection:
        return next(c for c in self.daemon.connections if c.session.main is None)

    @property
    def spares(self) -> list[MemoryConnection]:
        return [c for c in self.daemon.connections if c.session.main is not None]

    async def until_spared(self, count: int = 1) -> None:
        async with asyncio.timeout(60):
            while len(self.spares) != count or len(self.client._connection._spares) != count:
                await asyncio.sleep(0.05)


def live(tell: Callable[[Story], Awaitable[Any]], connections: int = 2) -> None:
    async def whole() -> None:
        story = Story(connections)
        await story.client.connect()
        await story.until_spared(connections - 1)
        await tell(story)
        await story.client.close()
        assert not story.daemon.connections
        story.daemon.stop()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())


def test_the_session_goes_on_over_a_spare_and_another_is_opened() -> None:
    async def tell(story: Story) -> None:
        heard: list[int] = []
        story.client.on("a", lambda event: heard.append(event.payload))
        await story.client.emit("a", 1, confirm=True)
        before = story.active
        before.lose()
        await story.client.emit("a", 2, confirm=True)
        assert story.active is not before
        await story.until_spared()
        assert story.told == ["connected"]
        await asyncio.sleep(0.1)
        assert heard == [1, 2]

    live(tell)


def test_a_spare_that_dies_is_replaced() -> None:
    async def tell(story: Story) -> None:
        (spare,) = story.spares
        spare.lose()
        await story.until_spared()
        assert story.spares != [spare]
        assert story.told == ["connected"]

    live(tell)


def test_of_three_connections_two_may_die_at_once() -> None:
    async def tell(story: Story) -> None:
        story.active.lose()
        story.spares[0].lose()
        assert await story.client.ping()
        assert story.told == ["connected"]
        await story.until_spared(2)

    live(tell, connections=3)


def test_when_all_die_the_session_is_resumed_and_spared_again() -> None:
    async def tell(story: Story) -> None:
        for connection in story.daemon.connections:
            connection.lose()
        assert await story.client.ping()
        assert story.told == ["connected", "disconnected", "connected"]
        await story.until_spared()

    live(tell)


def test_a_spare_that_does_not_go_on_is_given_up() -> None:
    async def tell(story: Story) -> None:
        (spare,) = story.spares
        spare.is_open = False  # it looks alive and takes nothing any more
        story.active.lose()
        assert await story.client.ping()
        assert story.told == ["connected", "disconnected", "connected"]

    live(tell)


def test_a_spare_that_is_silent_for_long_is_dropped() -> None:
    async def tell(story: Story) -> None:
        (spare,) = story.spares
        spare._receive = lambda _: None
        await asyncio.sleep(SILENT_AFTER_S + 2)
        assert spare not in story.daemon.connections
        await story.until_spared()

    live(tell)


def test_spares_are_opened_as_soon_as_the_door_is() -> None:
    async def tell(story: Story) -> None:
        story.door.is_open = False
        story.spares[0].lose()
        await asyncio.sleep(30)
        assert story.spares == []
        story.door.is_open = True
        await story.until_spared()

    live(tell)


def test_a_client_that_does_not_come_back_still_goes_on_over_its_spare() -> None:
    async def whole() -> None:
        story = Story()
        story.client = Client(URL, dial=story.door, connections=2, reconnect=False)
        await story.client.connect()
        await story.until_spared()
        story.active.lose()
        assert await story.client.ping()
        story.door.is_open = False
        for connection in story.daemon.connections:
            connection.lose()
        with pytest.raises(ConnectionLost):
            await story.client.ping()
        await story.client.close()
        story.daemon.stop()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())


def test_a_session_has_one_to_four_connections() -> None:
    assert [check_connections(count) for count in (1, 2, 4)] == [0, 1, 3]
    for count in (0, 5):
        with pytest.raises(ValueError, match="1 to 4"):
            check_connections(count)


@pytest.mark.parametrize("turns", range(40))
def test_no_spare_is_left_open_whenever_the_client_closes(turns: int) -> None:
    async def whole() -> None:
        story = Story()
        await story.client.connect()
        for _ in range(turns):
            await asyncio.sleep(0)
        await story.client._connection._spares.close()  # as the client does, before all else
        await asyncio.sleep(1)
        assert not story.spares
        await story.client.close()
        assert not story.daemon.connections
        story.daemon.stop()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())


@pytest.mark.parametrize("turns", range(40))
def test_nothing_is_left_open_whenever_connecting_is_cancelled(turns: int) -> None:
    async def whole() -> None:
        story = Story()
        connecting = asyncio.get_running_loop().create_task(story.client.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        if connecting.cancel():
            await asyncio.wait([connecting])
        else:
            await story.client.close()
        await asyncio.sleep(1)
        assert not story.daemon.connections
        story.daemon.stop()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())


def test_silence_is_noticed_on_one_connection_after_the_other() -> None:
    async def tell(story: Story) -> None:
        for _ in range(3):
            silent = story.active
            silent._receive = lambda _: None
            async with asyncio.timeout(30):
                while story.active is silent:
                    await asyncio.sleep(0.5)
            await story.until_spared()
        assert story.told == ["connected"]

    live(tell)


def test_a_client_that_connects_again_after_closing_has_its_spares() -> None:
    async def tell(story: Story) -> None:
        await story.client.close()
        await story.client.connect()
        await story.until_spared()

    live(tell)


@pytest.mark.parametrize("hook", ["on_connected", "on_disconnected"])
def test_a_hook_that_fails_ends_nothing(hook: str) -> None:
    async def tell(story: Story) -> None:
        failed: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, what: failed.append(what["exception"]))

        def broken(_: Any) -> None:
            raise ZeroDivisionError

        setattr(story.client, hook, broken)
        for connection in story.daemon.connections:
            connection.lose()
        async with asyncio.timeout(30):
            assert await story.client.ping()
        assert [type(each) for each in failed] == [ZeroDivisionError]
        await story.until_spared()

    live(tell)
