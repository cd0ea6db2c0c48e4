"""Mixed requests of the real SDK while their connections suffer: all end, nothing is left behind."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from askrd import Askr, AskrError, Client, Upload
from askrd.core.session import Session
from askrd.testing.memory_transport import URL
from tests.simulation.sdk_troubles import Trouble, TroubledDoor, play, until

pytestmark = pytest.mark.simulation

STEPS = 60
ENDS_WITHIN_S = 90
"""Longer than any deadline, and than it takes to notice that a connection is dead."""
LIKELY: dict[Trouble, float] = {
    TroubledDoor.lose_one: 0.12,
    TroubledDoor.lose_all: 0.06,
    TroubledDoor.shut: 0.04,
    TroubledDoor.mute_one: 0.05,
    TroubledDoor.deafen_one: 0.03,
    TroubledDoor.pull_one: 0.03,
    TroubledDoor.restart: 0.03,
}
AT_THE_END: dict[Trouble, float] = {
    TroubledDoor.lose_one: 0.3,
    TroubledDoor.lose_all: 0.2,
    TroubledDoor.mute_one: 0.1,
    TroubledDoor.deafen_one: 0.1,
}
CLOSED_WITHIN_S = 2
"""Longer than a view stays open by itself, shorter than any deadline."""
GIVEN_UP = 0.05
"""How likely a step cancels one of the requests."""


class Worker:
    """A service that answers late, in streams and to events.

    Attributes:
        agent: the service.
        running: how many of its handlers are at work.
    """

    def __init__(self, connections: int) -> None:
        self.agent = Askr("agent", connections=connections)
        self.running = 0
        for handler in (self.slow, self.count, self.eat):
            self.agent.command(handler)
        self.agent.on("question")(self.answer)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    async def slow(self, seconds: float) -> float:
        """Takes its time."""
        with self._at_work():
            await asyncio.sleep(seconds)
        return seconds

    async def count(self, to: int) -> AsyncIterator[int]:
        """Streams numbers."""
        with self._at_work():
            for number in range(to):
                await asyncio.sleep(0.05)
                yield number

    async def eat(self, numbers: Upload[int]) -> int:
        """Adds up an upload."""
        with self._at_work():
            return sum([number async for number in numbers])

    async def answer(self, event: Any) -> int:
        """Answers who collects."""
        with self._at_work():
            await asyncio.sleep(0.3)
        return 1


class Asker:
    """A client that asks for everything there is.

    Attributes:
        client: who asks.
        kinds: what it asks for, by name; each takes the seconds that an answer takes.
        ended: how often what ended how.
    """

    def __init__(self, door: TroubledDoor, connections: int) -> None:
        self.client = Client(URL, dial=door, connections=connections)
        self.ended: Counter[tuple[str, str]] = Counter()
        self.kinds: dict[str, Callable[[float], Awaitable[None]]] = {
            method.__name__: method
            for method in (
                self.send, self.send_in_time, self.send_once, self.stream, self.upload,
                self.survey, self.collect, self.listen, self.watch, self.view, self.set,
                self.entries, self.emit, self.retain, self.wait_for,
            )
        }  # fmt: skip
        self._chance = door.chance

    async def ask(self, kind: str, seconds: float) -> None:
        """Asks, and takes note of how that ended."""
        try:
            await self.kinds[kind](seconds)
        except AskrError as error:
            self.ended[kind, error.code] += 1
        else:
            self.ended[kind, "good"] += 1

    async def send(self, seconds: float) -> None:
        assert await self.client.send("agent.slow", {"seconds": seconds}) == seconds

    async def send_in_time(self, seconds: float) -> None:
        assert await self.client.send("agent.slow", {"seconds": seconds}, timeout=1) == seconds

    async def send_once(self, seconds: float) -> None:
        key = str(self._chance.random())
        value = await self.client.send("agent.slow", {"seconds": seconds}, idempotency_key=key)
        assert value == seconds

    async def stream(self, _seconds: float) -> None:
        items = [item async for item in self.client.stream("agent.count", {"to": 20})]
        assert items == list(range(20))

    async def upload(self, _seconds: float) -> None:
        assert await self.client.send("agent.eat", upload=range(30)) == sum(range(30))

    async def survey(self, seconds: float) -> None:
        await self.client.survey("agent.slow", {"seconds": seconds})

    async def collect(self, _seconds: float) -> None:
        await self.client.collect("question")

    async def listen(self, _seconds: float) -> None:
        async with self.client.listen("news.*", timeout=2, since=5) as events:
            async for _ in events:
                pass

    async def watch(self, _seconds: float) -> None:
        async for _ in self.client.state.watch("shelf", timeout=2):
            pass

    async def view(self, _seconds: float) -> None:
        async with self.client.state.view("shelf"):
            await asyncio.sleep(1)

    async def set(self, _seconds: float) -> None:
        await self.client.state.set(f"shelf/{self._chance.randrange(5)}", 1)

    async def entries(self, _seconds: float) -> None:
        await self.client.state.entries("shelf")

    async def emit(self, _seconds: float) -> None:
        await self.client.emit("news.now", 1, confirm=True)

    async def retain(self, _seconds: float) -> None:
        await self.client.emit(f"news.{self._chance.randrange(9)}", 1, retain=True)

    async def wait_for(self, _seconds: float) -> None:
        await self.client.wait_for("agent", timeout=5)


class Crowd:
    """A service, and a client whose requests suffer on the way to it.

    Attributes:
        door: where both come in.
        asker: the client.
        given_up: how many requests were cancelled before they had ended.
    """

    def __init__(self, chance: random.Random) -> None:
        self.door = TroubledDoor(chance)
        self.asker = Asker(self.door, chance.choice((1, 2, 3)))
        self.given_up = 0
        self._chance = chance
        self._worker = Worker(chance.choice((1, 2)))

    async def live(self) -> Crowd:
        """Lets them work and suffer, and holds what is true when it is calm again."""
        await self._worker.agent.connect(url=URL, dial=self.door)
        await self.asker.client.connect()
        await self._suffer()
        self.door.calm_down()
        await self._works_again()
        await until(self._is_idle, ENDS_WITHIN_S, "nothing is under way")
        self.door.restart()  # What it still holds it now begins anew.
        await self._works_again()
        await until(self._is_idle, ENDS_WITHIN_S, "nothing is held")
        await self._close()
        return self

    async def _suffer(self) -> None:
        asked: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for _ in range(STEPS):
                kind = self._chance.choice(list(self.asker.kinds))
                seconds = self._chance.choice((0.0, 0.1, 2.0))
                asked.append(group.create_task(self.asker.ask(kind, seconds), name=kind))
                await asyncio.sleep(self._chance.choice((0, 0, 0, 0.001, 0.1, 1.0)))
                self.door.suffer(LIKELY)
                if self._chance.random() < GIVEN_UP:
                    self.given_up += self._chance.choice(asked).cancel()
            _, late = await asyncio.wait(asked, timeout=ENDS_WITHIN_S)
            assert not late, f"requests that do not end: {[task.get_name() for task in late]}"

    async def _works_again(self) -> None:
        """Holds that everything can be asked for again."""
        async with asyncio.timeout(ENDS_WITHIN_S):
            while not await self._is_served():
                await asyncio.sleep(1)
        before = self.asker.ended.copy()
        for kind in self.asker.kinds:
            await self.asker.ask(kind, 0.1)
        ended = self.asker.ended - before
        assert ended == Counter((kind, "good") for kind in self.asker.kinds), "it is calm"

    async def _is_served(self) -> bool:
        try:
            await self.asker.client.wait_for("agent")
            await self.asker.client.send("agent.slow", {"seconds": 0.0})
        except AskrError:
            return False
        return True

    def _is_idle(self) -> bool:
        """Says whether neither side holds anything but what the service offers."""
        sessions = self.door.daemon.router.board.sessions
        return not self._worker.running and not any(map(_under_way, sessions))

    async def _close(self) -> None:
        await self._close_over_requests()
        await self._worker.agent.close()
        board = self.door.daemon.router.board
        await until(lambda: not board.sessions, ENDS_WITHIN_S, "the daemon is alone")
        assert not self.door.daemon.connections
        assert not self.door.wires
        self.door.daemon.stop()

    async def _close_over_requests(self) -> None:
        """Closes the client in the middle of one request of each kind; all must end by that."""
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(self.asker.ask(kind, 20.0), name=kind)
                for kind in self.asker.kinds
            ]
            await asyncio.sleep(self._chance.choice((0, 0.001, 0.1)))
            self.door.suffer(AT_THE_END)
            await asyncio.sleep(self._chance.choice((0, 0.001, 0.1)))
            await self.asker.client.close()
            _, late = await asyncio.wait(asked, timeout=CLOSED_WITHIN_S)
            assert not late, f"requests of a closed client: {[task.get_name() for task in late]}"


def _under_way(session: Session) -> bool:
    """Says whether a session has anything that a request began."""
    listens = session.subscriptions or session.hearings or session.watches
    is_asker = session.name == "client"
    waits = session.asking or session.taken or session.collections
    return bool(session.asked or session.answering or (is_asker and (listens or waits)))


def live(seed: int) -> Crowd:
    return play(seed, lambda chance: Crowd(chance).live(), "tests/simulation/test_sdk_requests.py")


def test_every_request_ends_and_everything_works_again(seed: int) -> None:
    assert live(seed).asker.ended


test_every_request_ends_and_everything_works_again.share_of_worlds = 25  # type: ignore[attr-defined]


def test_the_same_seed_lets_the_same_requests_fail() -> None:
    once, again, other = (live(seed).asker.ended for seed in (3, 3, 4))
    assert once == again != other


def test_the_crowds_together_see_every_trouble_and_every_end() -> None:
    crowds = [live(seed) for seed in range(12)]
    befell = sum((crowd.door.befell for crowd in crowds), Counter[str]())
    ended = sum((crowd.asker.ended for crowd in crowds), Counter[tuple[str, str]]())
    assert befell.keys() >= {trouble.__name__ for trouble in LIKELY}
    assert sum(crowd.given_up for crowd in crowds) > 0
    codes = {code for _, code in ended}
    assert codes >= {
        "good", "connection_lost", "deadline_exceeded", "instance_lost", "no_instance",
    }  # fmt: skip
    failed = {kind for kind, code in ended if code != "good"}
    assert failed >= {"send", "stream", "survey", "collect", "set", "emit"}
