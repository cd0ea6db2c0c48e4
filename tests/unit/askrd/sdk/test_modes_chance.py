"""Whatever happens to commands of every mode, in whatever order: one outcome each, nothing left."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from askrd.sdk.context import Context
from askrd.sdk.service import Service
from askrd.sdk.upload import Upload
from askrd.wire.errors import CommandError
from askrd.wire.frames import FLAG_MORE, Kind
from askrd.wire.limits import KIB, STREAM_BYTES, STREAM_ITEMS
from tests.unit.askrd.sdk.serving import Served, is_outcome, live

SERVICE = Service("agent")
OPEN: Counter[str] = Counter()


async def rest(name: str, seconds: float) -> None:
    """Waits, and counts who has begun and not ended."""
    OPEN[name] += 1
    try:
        await asyncio.sleep(seconds)
    finally:
        OPEN[name] -= 1


@SERVICE.command
async def value(seconds: float) -> str:
    await rest("value", seconds)
    return "x" * 200 * KIB


@SERVICE.command(reply="ack", timeout=20)
async def accepted(seconds: float) -> None:
    await rest("accepted", seconds)


@SERVICE.command(serial="seconds")
async def serial(seconds: float) -> None:
    assert OPEN[f"serial {seconds}"] == 0
    await rest(f"serial {seconds}", seconds)


@SERVICE.command
async def stream(seconds: float) -> AsyncIterator[bytes]:
    for number in range(100):
        if number % 40 == 0:
            await rest("stream", seconds)
        yield b"x" * 8 * KIB


@SERVICE.command
def plain(seconds: float) -> Iterator[float]:
    for _ in range(100):
        yield seconds


@SERVICE.command
async def fed(seconds: float, content: Upload) -> int:
    total = 0
    async for piece in content:
        total += len(piece)
        await rest("fed", seconds / 10)
    return total


@SERVICE.command
async def shielded(seconds: float, ctx: Context) -> None:
    await ctx.shield(rest("shielded", seconds))


@SERVICE.command
async def broken(seconds: float) -> None:
    await rest("broken", seconds)
    raise CommandError("broken", "It broke.")


NAMES = tuple(SERVICE.commands)


class Caller:
    """Does anything a caller, or the daemon on its behalf, may do."""

    def __init__(self, served: Served, chance: random.Random) -> None:
        self.served = served
        self.chance = chance
        self.asked: set[int] = set()
        self.lost: set[int] = set()

    def ask(self) -> None:
        id_ = len(self.asked) + 1
        self.asked.add(id_)
        name = self.chance.choice(NAMES)
        options: dict[str, Any] = {}
        if self.chance.random() < 0.3:
            options["reply"] = self.chance.choice(["ack", "value", "stream"])
        if name == "fed" or self.chance.random() < 0.1:
            options["upload"] = self.chance.choice(["items", "payload"])
        if self.chance.random() < 0.1:
            self.served.tell(name, {"seconds": 1.0})
        self.served.call(
            name, {"seconds": self.chance.choice([0.0, 0.5, 3.0])}, id=id_, options=options,
            ttl_ms=self.chance.choice([100, 2_000, 30_000]),
        )  # fmt: skip

    def some(self) -> int:
        return self.chance.randint(1, len(self.asked) + 1)

    def step(self) -> None:
        what = self.chance.random()
        if what < 0.35:
            self.ask()
        elif what < 0.55:
            self.served.credit(self.chance.randint(1, STREAM_ITEMS), STREAM_BYTES, self.some())
        elif what < 0.75:
            self.served.up(b" ", self.some())
        elif what < 0.85:
            self.served.end(self.some())
        elif what < 0.88:
            self.served.reset("gone_away", self.some())
        elif what < 0.98:
            self.served.cancel(self.chance.choice(["caller", "deadline"]), self.some())
        else:
            self.served.offers.connection_lost()
            self.lost |= self.asked


@pytest.mark.parametrize("seed", range(25))
def test_every_command_has_one_outcome_and_leaves_nothing(seed) -> None:
    callers: list[Caller] = []

    async def story(served: Served) -> None:
        caller = Caller(served, random.Random(seed))
        callers.append(caller)
        for _ in range(150):
            caller.step()
            if caller.chance.random() < 0.5:
                await asyncio.sleep(caller.chance.choice([0, 0.1, 1.0]))
        await asyncio.sleep(100)

    served = live(SERVICE, story, limit=64 * KIB)
    (caller,) = callers
    ended = Counter(frame.id for frame in served.told if is_outcome(frame))
    assert set(ended.values()) == {1}
    assert ended.keys() <= caller.asked
    assert caller.asked - caller.lost <= ended.keys()
    for id_ in ended:
        frames = [frame for frame in served.told if frame.id == id_]
        assert is_outcome(frames[-1])
        accepted_first = [one for one in frames if one.kind == Kind.REPLY and one.flags & FLAG_MORE]
        assert len(accepted_first) <= 1
    assert not +OPEN
    assert len(served.work) == 0
