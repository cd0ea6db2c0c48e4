"""Dialling: attached services are connected, connected again, and let go."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from askrd.core.effects import Attachment, Dial, HangUp
from askrd.core.session import Session
from askrd.doors.dialling import Dialler
from askrd.doors.door import Door
from askrd.wire.addresses import ListenAddress
from askrd.wire.limits import MIB
from tests.unit.askrd.doors.hearsay import Hearing, Wire, open_session
from tests.unit.askrd.doors.test_node_askr import until


class Exchange:
    """A dialler, and a server that counts who is connected."""

    def __init__(self) -> None:
        self.relay = Hearing()
        self.writers: list[asyncio.StreamWriter] = []
        self.entered: list[Door] = []
        self.told: list[str] = []
        self.dialler = self.hire()
        self.dialler.begin([])
        self._server: asyncio.Server | None = None

    def hire(self) -> Dialler:
        """Returns a dialler that has not begun."""
        return Dialler(self.relay, self._connect, self._enter, self._reached)

    def _connect(self, via: str, address: str) -> Session:
        return open_session()

    def _reached(self, _attachment: Attachment, why_not: str) -> None:
        self.told.append(why_not)

    def _enter(self, session: Session, door: Door) -> None:
        self.entered.append(door)

    async def _accept(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)

    async def listen(self, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        await self.dialler.close()
        for writer in self.writers:
            writer.close()
        if self._server is not None:
            self._server.close()


def played(play: Callable[[Exchange], Awaitable[None]]) -> None:
    """Runs a play with an exchange that is closed at its end."""

    async def main() -> None:
        exchange = Exchange()
        try:
            await play(exchange)
        finally:
            await exchange.close()

    asyncio.run(main())


def agent(port: int) -> Attachment:
    return Attachment(workspace="askr", service="agent", host="127.0.0.1", port=port)


def test_a_service_is_dialled_again_whenever_it_hangs_up() -> None:
    async def play(exchange: Exchange) -> None:
        exchange.dialler.take(Dial(agent(await exchange.listen())))
        for times in (1, 2, 3):
            await until(lambda times=times: len(exchange.writers) == times)
            exchange.writers[-1].close()
        await until(lambda: len(exchange.entered) == 4)
        assert len(exchange.relay.told) >= 3

    played(play)


def test_a_service_that_is_away_is_dialled_until_it_is_there() -> None:
    async def play(exchange: Exchange) -> None:
        port = await exchange.listen()
        await exchange.close()
        exchange.dialler.take(Dial(agent(port)))
        await until(lambda: any("connection refused" in why for why in exchange.told))
        assert await exchange.listen(port) == port
        await until(lambda: len(exchange.writers) == 1)
        await until(lambda: exchange.told[-1] == "")

    played(play)


def test_a_name_that_no_host_can_have_is_told_and_tried_again() -> None:
    async def play(exchange: Exchange) -> None:
        exchange.dialler.take(Dial(replace(agent(1), host="a..b")))
        await until(lambda: len(exchange.told) == 2)
        assert set(exchange.told) == {"a..b is no name that a host can have"}

    played(play)


def test_a_connection_that_is_gone_before_it_is_looked_at_is_none() -> None:
    async def play(exchange: Exchange) -> None:
        wires: list[Wire] = []

        async def create_connection(factory: Callable[[], asyncio.Protocol], *_: object) -> None:
            wires.append(Wire())
            factory().connection_made(wires[-1])

        asyncio.get_running_loop().create_connection = create_connection  # type: ignore[method-assign,assignment]
        exchange.dialler.take(Dial(agent(1)))
        await until(lambda: len(wires) == 2)
        assert wires[0].is_cut
        assert exchange.told[0] == "it closed the connection at once"
        assert not exchange.entered

    played(play)


def test_hanging_up_does_not_wait_for_a_node_that_does_not_read() -> None:
    async def play(exchange: Exchange) -> None:
        attachment = agent(await exchange.listen())
        exchange.dialler.take(Dial(attachment))
        await until(lambda: len(exchange.writers) == 1)
        exchange.entered[0].transport.write(bytes(32 * MIB))
        exchange.dialler.take(HangUp(attachment))
        await until(lambda: bool(exchange.relay.told[1:]))
        assert exchange.relay.told == ["paused", "connection closed"]

    played(play)


def test_hanging_up_closes_the_connection_and_dials_no_more() -> None:
    async def play(exchange: Exchange) -> None:
        attachment = agent(await exchange.listen())
        exchange.dialler.take(Dial(attachment))
        await until(lambda: len(exchange.writers) == 1)
        exchange.dialler.take(HangUp(attachment))
        await until(lambda: bool(exchange.relay.told))
        assert exchange.relay.told == ["connection closed"]
        exchange.dialler.take(HangUp(attachment))
        assert len(exchange.entered) == 1

    played(play)


def test_closing_lets_everybody_go() -> None:
    async def play(exchange: Exchange) -> None:
        exchange.dialler.take(Dial(agent(await exchange.listen())))
        exchange.dialler.take(Dial(agent(1)))
        await until(lambda: len(exchange.writers) == 1)
        await exchange.dialler.close()
        transport = exchange.entered[0].transport
        await until(transport.is_closing)

    played(play)


def test_nobody_is_dialled_before_it_begins_and_then_each_once() -> None:
    async def play(exchange: Exchange) -> None:
        port = await exchange.listen()
        here = ListenAddress("tcp", host="127.0.0.1", port=port)
        early = exchange.hire()
        gone = replace(agent(port), service="gone")
        for wish in (Dial(agent(port)), Dial(gone), HangUp(gone)):
            early.take(wish)
        exchange.dialler.take(Dial(agent(port)))
        await until(lambda: len(exchange.writers) == 1)
        early.begin([])
        await until(lambda: len(exchange.writers) == 2)
        await early.close()
        own = exchange.hire()
        own.take(Dial(agent(port)))
        own.begin([here])
        await until(lambda: len(exchange.writers) == 3)
        await own.close()
        assert len(exchange.entered) == 2, "it does not speak to itself"

    played(play)


def test_one_that_rests_keeps_its_connection_and_dials_nobody_again() -> None:
    async def play(exchange: Exchange) -> None:
        exchange.dialler.take(Dial(agent(await exchange.listen())))
        await until(lambda: len(exchange.writers) == 1)
        (keeper,) = (one for one in asyncio.all_tasks() if "_Keeper" in repr(one.get_coro()))
        exchange.dialler.rest()
        assert not exchange.entered[0].transport.is_closing()
        exchange.writers[0].close()
        await until(keeper.done)
        assert (len(exchange.writers), exchange.relay.told) == (1, ["connection closed"])

    played(play)
