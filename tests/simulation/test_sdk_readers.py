"""Readers of the real SDK over cuts and torn reads: nothing lost in silence, nothing told twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from askrd import AskrError, Change, Client, ConnectionLost, Event, Gap
from askrd.core import recent
from askrd.testing.memory_transport import URL, MemoryDoor
from askrd.wire.limits import Limits
from tests.simulation.sdk_troubles import Trouble, TroubledDoor, play, until

pytestmark = pytest.mark.simulation

STEPS = 150
REMEMBERED = (10_000, 60, 15)
"""How many events the daemon remembers: all there are, or too few for a long absence."""
LATE_EVERY = 25
"""After how many steps more listeners begin, whatever befalls them just then."""
TEARING = 0.7
CURRENT_WITHIN_S = 120
"""Longer than it takes to notice that a connection is dead."""
CONSUMED_WITHIN_S = 600
"""Longer than it takes to be given again all that was not acknowledged."""
QUIET_S = 30
"""How long to wait for what is told once too often."""
CONSUMERS = ("consumer", "manual")
"""Who is told again what it did not acknowledge."""
LIKELY: dict[Trouble, float] = {
    TroubledDoor.lose_one: 0.10,
    TroubledDoor.lose_all: 0.04,
    TroubledDoor.shut: 0.04,
    TroubledDoor.mute_one: 0.03,
}


class Reading:
    """What one listener was told.

    Attributes:
        name: which listener.
        told: the numbers of events, and None for a gap; oldest first.
        behind: the number of the last event before it began; None = it has not.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[int | None] = []
        self.behind: int | None = None

    def take(self, item: Event[Any] | Gap) -> None:
        """Takes note of an event or a gap."""
        self.told.append(None if isinstance(item, Gap) else item.payload)

    @property
    def numbers(self) -> list[int]:
        """The events without the gaps."""
        return [number for number in self.told if number is not None]

    def missed(self, last: int) -> list[int]:
        """Returns the numbers from its beginning to ``last`` that it was not told."""
        assert self.behind is not None, f"{self.name} never began"
        return sorted(set(range(self.behind + 1, last + 1)) - set(self.numbers))

    def check_once(self) -> None:
        """Holds that nothing was told twice."""
        twice = [number for number, count in Counter(self.numbers).items() if count > 1]
        assert not twice, f"{self.name} was told twice of {twice[:9]}"

    def check_order(self) -> None:
        """Holds that events came as they were emitted."""
        assert self.numbers == sorted(self.numbers), f"{self.name} was told out of order"

    def check_gaps(self, last: int) -> None:
        """Holds that a gap was told if something was missed."""
        missed = self.missed(last)
        assert not missed or None in self.told, f"{self.name} missed {missed[:9]} in silence"

    def check_places(self) -> None:
        """Holds that each gap was told where something was missed."""
        before: int | None = self.behind
        for number in self.told:
            is_next = before is None or number is None or number <= before + 1
            assert is_next, f"{self.name} missed something between {before} and {number} in silence"
            before = number


class Keeping:
    """What one listener was told of retained events.

    Attributes:
        name: which listener.
        newest: the newest value of each.
        has_begun: whether it listens.
        is_torn: whether it was told of a gap.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.newest: dict[str, int] = {}
        self.has_begun = self.is_torn = False

    def take(self, item: Event[Any] | Gap) -> None:
        """Takes note of an event or a gap."""
        if isinstance(item, Gap):
            self.is_torn = True
        else:
            self.newest[item.subject] = item.payload

    def check(self, retained: dict[str, int]) -> None:
        """Holds that it knows the newest of each, or that it missed something."""
        is_current = self.newest == retained
        assert is_current or self.is_torn, f"{self.name} missed something retained in silence"


class Speaker:
    """Who emits, and writes the state, over a connection that nothing befalls.

    Attributes:
        client: its connection.
        number: the last event of the series.
        shelf: the state as it must be.
        retained: the newest value of each retained event.
    """

    def __init__(self, door: TroubledDoor) -> None:
        self.client = Client(URL, dial=MemoryDoor(door.daemon), name="speaker")
        self.number = 0
        self.shelf: dict[str, int] = {}
        self.retained: dict[str, int] = {}
        self._chance = door.chance

    async def emit(self) -> None:
        """Emits the next event of the series."""
        self.number += 1
        event = self._chance.choice(("series.left", "series.right"))
        await self.client.emit(event, self.number, confirm=True)

    async def speak(self, step: int) -> None:
        """Emits some events, and changes the state."""
        for _ in range(self._chance.choice((1, 1, 5))):
            await self.emit()
        if step % 3 == 0:
            event = f"kept.{self._chance.randrange(20)}"
            self.retained[event] = step
            await self.client.emit(event, step, retain=True)
        for _ in range(self._chance.choice((1, 1, 5))):
            await self._change(f"shelf/{self._chance.randrange(30)}", step)

    async def _change(self, key: str, value: int) -> None:
        if self._chance.random() < 0.6:
            self.shelf[key] = value
            await self.client.state.set(key, value)
        elif key in self.shelf:
            del self.shelf[key]
            await self.client.state.delete(key)


class Audience:
    """One client that listens in every way, or one for each, while their connections suffer.

    Attributes:
        door: where its connections come in.
        readings: what its listeners were told, by name.
    """

    def __init__(self, chance: random.Random) -> None:
        limits = Limits(resume_terminal_ms=chance.choice((1, 1, 10_000)))
        self.door = TroubledDoor(chance, limits=limits)
        self.readings: dict[str, Reading] = {}
        self._speaker = Speaker(self.door)
        self._clients = [self._new_client() for _ in range(chance.choice((1, 4, 4)))]
        self._view = self._client("shelf").state.view("shelf")
        self._watched: dict[str, int] = {}
        self._keepings: list[Keeping] = []
        self._tasks: list[asyncio.Task[None]] = []

    def _new_client(self) -> Client:
        return Client(URL, dial=self.door, connections=self.door.chance.choice((1, 1, 2, 3)))

    def _client(self, what: str) -> Client:
        """Returns who listens to ``what``."""
        return self._clients[("series", "book", "shelf", "kept").index(what) % len(self._clients)]

    async def live(self) -> Audience:
        """Lets it listen and suffer, and holds what is true when it is calm again."""
        speaker = self._speaker
        await speaker.client.connect()
        for client in self._clients:
            await client.connect()
        await speaker.client.logs.create("book", "series.*", ack_wait=5, max_deliveries=100)
        async with asyncio.TaskGroup() as group:
            await self._begin(group)
            await self._suffer(group)
            await until(self._has_begun, CURRENT_WITHIN_S, "who came late listens")
            await speaker.emit()
            await until(self._is_current, CURRENT_WITHIN_S, "everybody is current")
            await until(self._is_consumed, CONSUMED_WITHIN_S, "consumers had everything")
            await asyncio.sleep(QUIET_S)
            self._check()
            for task in self._tasks:
                assert task.cancel(), f"{task.get_name()} went on to the end"
        await self._view.aclose()
        for client in self._clients:
            await client.close()
        await speaker.client.close()
        self.door.daemon.stop()
        return self

    async def _suffer(self, group: asyncio.TaskGroup) -> None:
        self.door.tearing = TEARING
        for step in range(STEPS):
            if step % LATE_EVERY == LATE_EVERY - 1:
                self._listen(group, f"late {step}", "series.*", gaps=True)
                self._listen(group, f"late past {step}", "series.*", gaps=True, since=600)
                self._keep(group, f"late kept {step}")
            await self._speaker.speak(step)
            self.door.suffer(LIKELY)
            await asyncio.sleep(self.door.chance.choice((0, 0, 0.01, 0.3, 2.0)))
        self.door.calm_down()

    # --- who listens ------------------------------------------------------------------------

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        self._listen(group, "two names", "series.left", "series.right", gaps=True)
        self._listen(group, "pattern", "series.*", gaps=True)
        self._listen(group, "past", "series.*", gaps=True, since=600)
        self._listen(group, "log", log="book")
        self._listen(group, "consumer", log="book", consumer="one")
        self._listen(group, "manual", log="book", consumer="two", ack="manual")
        self._start(group, "watch", self._watch())
        self._keep(group, "kept")
        callback = self.readings["callback"] = Reading("callback")
        callback.behind = 0
        self._client("series").on("series.*", callback.take)
        self._client("series").on_gap = callback.take
        await self._view.begin()
        await until(self._has_begun, CURRENT_WITHIN_S, "everybody listens")

    def _listen(self, group: asyncio.TaskGroup, name: str, *patterns: str, **how: Any) -> None:
        reading = self.readings[name] = Reading(name)
        self._start(group, name, self._read(reading, *patterns, **how))

    def _keep(self, group: asyncio.TaskGroup, name: str) -> None:
        self._keepings.append(Keeping(name))
        self._start(group, name, self._read_kept(self._keepings[-1]))

    def _start(self, group: asyncio.TaskGroup, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(group.create_task(work, name=name))

    async def _read(self, reading: Reading, *patterns: str, **how: Any) -> None:
        """Listens to the end; it may take several attempts to begin."""
        client = self._client(how.get("log") or "series")
        while reading.behind is None:
            try:
                async with client.listen(*patterns, **how) as events:
                    reading.behind = self._speaker.number
                    async for item in events:
                        reading.take(item)
                        await self._handle(item, is_manual=how.get("ack") == "manual")
            except ConnectionLost:
                assert reading.behind is None, f"{reading.name} ended when a connection did"
                await asyncio.sleep(0.5)

    async def _handle(self, item: Event[Any] | Gap, *, is_manual: bool) -> None:
        """Takes a while now and then; who acknowledges may be told that it is too late."""
        if self.door.chance.random() < 0.2:
            await asyncio.sleep(self.door.chance.choice((0.05, 0.2)))
        if is_manual and isinstance(item, Event):
            with suppress(AskrError):
                await item.ack()

    async def _watch(self) -> None:
        async for item in self._client("shelf").state.watch("shelf"):
            if isinstance(item, Change) and item.op == "del":
                self._watched.pop(item.key, None)
            elif isinstance(item, Change):
                self._watched[item.key] = item.value

    async def _read_kept(self, keeping: Keeping) -> None:
        while not keeping.has_begun:
            with suppress(ConnectionLost):
                async with self._client("kept").listen("kept.*", gaps=True) as events:
                    keeping.has_begun = True
                    async for item in events:
                        keeping.take(item)
            assert not keeping.has_begun, f"{keeping.name} ended when a connection did"
            await asyncio.sleep(0.5)

    # --- what is true -----------------------------------------------------------------------

    def _has_begun(self) -> bool:
        are_there = all(reading.behind is not None for reading in self.readings.values())
        return are_there and all(keeping.has_begun for keeping in self._keepings)

    def _is_current(self) -> bool:
        """Says whether who listens was told of the last event, and copies are as the state is."""
        last = self._speaker.number
        live = [reading for name, reading in self.readings.items() if name not in CONSUMERS]
        is_told = all(last in reading.told for reading in live)
        copies = (dict(self._view), self._watched)
        are_alike = all(copy == self._speaker.shelf for copy in copies)
        return is_told and are_alike and self._view.is_current

    def _is_consumed(self) -> bool:
        return not any(self.readings[name].missed(self._speaker.number) for name in CONSUMERS)

    def _check(self) -> None:
        last = self._speaker.number
        for name, reading in self.readings.items():
            if name not in CONSUMERS:
                reading.check_once()
                reading.check_gaps(last)
        for name, reading in self.readings.items():
            if name not in (*CONSUMERS, "two names"):
                reading.check_order()
            if name not in (*CONSUMERS, "two names", "callback"):
                reading.check_places()
        assert not self.readings["log"].missed(last), "the daemon keeps the log"
        for keeping in self._keepings:
            keeping.check(self._speaker.retained)


async def _live(chance: random.Random) -> Audience:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recent, "RECENT_EVENTS_MAX", chance.choice(REMEMBERED))
        return await Audience(chance).live()


def live(seed: int) -> Audience:
    return play(seed, _live, "tests/simulation/test_sdk_readers.py")


def test_nothing_is_lost_in_silence_and_nothing_is_told_twice(seed: int) -> None:
    assert live(seed).readings


test_nothing_is_lost_in_silence_and_nothing_is_told_twice.share_of_worlds = 25  # type: ignore[attr-defined]


def test_the_same_seed_tells_the_same_readers_the_same() -> None:
    once, again, other = (
        {name: reading.told for name, reading in live(seed).readings.items()} for seed in (3, 3, 4)
    )
    assert once == again != other


def test_the_audiences_together_see_every_trouble_and_gaps() -> None:
    audiences = [live(seed) for seed in range(4)]
    befell = sum((audience.door.befell for audience in audiences), Counter[str]())
    assert befell.keys() >= {"torn", *(trouble.__name__ for trouble in LIKELY)}
    gaps = Counter(
        reading.name
        for audience in audiences
        for reading in audience.readings.values()
        if None in reading.told
    )
    assert gaps.keys() >= {"two names", "pattern", "callback"}
