"""Everything at once, for long: `python -m bench.soak`; memory and descriptors must stay flat.

Rounds of commands, streams, events, state, jobs and a log go through one durable daemon, each from
a client of its own; beside them connections are cut in the middle of commands, speak HTTP, or send
bytes without sense. Every answer is checked.
"""

import argparse
import asyncio
import random
import struct
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

from askrd import Askr, Client
from bench.daemon import Daemon
from bench.report import layout

SECONDS = 300.0
LOOK_EVERY_S = 5.0
WITHIN_S = 20.0
COMMANDS, EVENTS, KEYS, ITEMS = 20, 50, 20, 50
ROUNDS_AT_ONCE = 4
GROWTH_MAX = 0.15
"""How much larger the daemon may be at the end than after half of the time."""
DESCRIPTORS_MORE = 20
"""Connections that may be there at one look and not at another."""


def service(url: str) -> Askr:
    """Returns the service that all rounds use."""
    soak = Askr("soak", url=url)

    @soak.command
    async def echo(value: int) -> int:
        return value

    @soak.command
    async def never() -> None:
        await asyncio.sleep(60)

    @soak.command
    async def items(to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @soak.command(queue=True, concurrency=8, keep=1)
    async def work(value: int) -> int:
        return value * 2

    return soak


async def round_(url: str, number: int) -> None:
    """Asks for everything once, and checks every answer."""
    async with Client(url, name=f"round-{number}") as client:
        asked = [client.send("soak.echo", {"value": value}) for value in range(COMMANDS)]
        assert await asyncio.gather(*asked) == list(range(COMMANDS))
        assert [item async for item in client.stream("soak.items", {"to": ITEMS})] == [
            *range(ITEMS)
        ]
        await _events(client, number)
        await _state(client, number)
        sent = await client.send("soak.work", {"value": number})
        assert (await client.jobs.wait(sent, timeout=WITHIN_S)).result() == number * 2


async def _events(client: Client, number: int) -> None:
    subject = f"soak.round.{number % 100}"
    async with client.listen(subject, count=EVENTS, timeout=WITHIN_S) as heard:
        for value in range(EVENTS):
            await client.emit(subject, [number, value])
        told = [event.payload[1] async for event in heard if event.payload[0] == number]
    assert told == list(range(EVENTS)), f"{len(told)} of {EVENTS} events"
    await client.emit(f"soak.kept.{number % 50}", number, retain=True)
    await client.emit("soaked.log", number, confirm=True)


async def _state(client: Client, number: int) -> None:
    mine = f"soak/{number % 40}"
    async with client.state.watch(mine) as watch:
        for value in range(KEYS):
            await client.state.set(f"{mine}/{value}", [number, value])
        await client.state.set(f"{mine}/mortal", number, ttl=0.5)
        await client.state.set(f"{mine}/mine", number, ephemeral=True)
        assert (await client.state.get(f"{mine}/{KEYS - 1}")).value == [number, KEYS - 1]
        last = f"{mine}/{KEYS - 1}"
        async with asyncio.timeout(WITHIN_S):
            async for change in watch:
                if getattr(change, "key", "") == last and change.value == [number, KEYS - 1]:
                    break


async def read_log(url: str, done: asyncio.Event) -> None:
    """Acknowledges what comes into the log, as one of two members of a consumer."""
    async with (
        Client(url, name="reader") as client,
        client.listen("**", log="soak", consumer="readers") as events,
    ):
        async for _ in events:
            if done.is_set():
                return


async def cut_off(host: str, port: int) -> None:
    """Asks and listens, and is gone without a word in the middle of that."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b'{"k":"hello","v":1,"name":"cut"}\n{"k":"sub","id":9,"pattern":"soak.**"}\n')
    for id_ in range(1, 6):
        writer.write(b'{"k":"call","id":%d,"to":"soak.never"}\n' % id_)
    async with asyncio.timeout(WITHIN_S):
        while b'"subbed"' not in await reader.readline():
            pass
    plug = writer.get_extra_info("socket")
    plug.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


async def talk_http(host: str, port: int, number: int) -> None:
    """Calls, emits, writes and reads by HTTP."""
    for line, body, said in (
        ("POST /call/soak.echo", b'{"value":%d}' % number, b"%d" % number),
        ("POST /emit/soak.web", b"1", b'"receivers"'),
        (f"PUT /state/web/{number % 10}", b"%d" % number, b'"rev"'),
        (f"GET /state/web/{number % 10}", b"", b""),
        ("GET /readyz", b"", b'"ready":true'),
    ):
        reader, writer = await asyncio.open_connection(host, port)
        head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        writer.write(f"{head}{kind}\r\n".encode() + body)
        async with asyncio.timeout(WITHIN_S):
            told = await reader.read()
        writer.close()
        assert b" 200 " in told.split(b"\r\n")[0], (line, told)
        assert said in told, (line, told)


async def talk_nonsense(host: str, port: int, chance: random.Random) -> None:
    """Sends bytes without sense and waits until the daemon has had enough."""
    reader, writer = await asyncio.open_connection(host, port)
    with suppress(ConnectionError):
        writer.write(chance.choice([b"\0askr/1\n", b"{", b"GET ", b""]) + chance.randbytes(300))
        writer.write_eof()
        async with asyncio.timeout(WITHIN_S):
            await reader.read()
    writer.close()


@dataclass(frozen=True, slots=True)
class Look:
    """What the daemon was at one moment."""

    at_s: float
    rounds: int
    kib: int
    descriptors: int


class Soak:
    """One run.

    Attributes:
        rounds: how many are over. looks: what was seen.
    """

    def __init__(self, daemon: Daemon, seconds: float) -> None:
        self._daemon = daemon
        self._began_s = time.monotonic()
        self._until_s = self._began_s + seconds
        self._numbers = count()
        self.rounds = 0
        self.looks: list[Look] = []

    async def run(self) -> None:
        """Lets everything happen until the time is over."""
        url, done = self._daemon.tcp, asyncio.Event()
        host, port = url.removeprefix("tcp://").rsplit(":", 1)
        async with service(url), Client(url, name="head") as head:
            await head.logs.create("soak", "soaked.*", count=10_000)
            async with asyncio.TaskGroup() as group:
                readers = [group.create_task(read_log(url, done)) for _ in range(2)]
                group.create_task(self._look())
                works = [self._works(host, int(port), place) for place in range(ROUNDS_AT_ONCE)]
                await asyncio.gather(*works)
                done.set()
                for _ in readers:
                    await head.emit("soaked.log", "the end", confirm=True)

    async def _works(self, host: str, port: int, place: int) -> None:
        chance = random.Random(place)
        while time.monotonic() < self._until_s:
            number = next(self._numbers)
            await asyncio.gather(
                round_(self._daemon.tcp, number),
                cut_off(host, port),
                talk_http(host, port, number),
                talk_nonsense(host, port, chance),
            )
            self.rounds += 1

    async def _look(self) -> None:
        while time.monotonic() < self._until_s:
            await asyncio.sleep(LOOK_EVERY_S)
            self.looks.append(self._now())

    def _now(self) -> Look:
        place = Path("/proc") / str(self._daemon.pid)
        words = (place / "status").read_text().split()
        kib = int(words[words.index("VmRSS:") + 1])
        at_s = time.monotonic() - self._began_s
        return Look(at_s, self.rounds, kib, len(list((place / "fd").iterdir())))


def verdict(looks: Sequence[Look]) -> list[str]:
    """Returns what is wrong: growth of memory or of descriptors in the second half."""
    if len(looks) < 4:
        return ["too short to say anything"]
    half, last = looks[len(looks) // 2], looks[-1]
    wrong = []
    if last.kib > half.kib * (1 + GROWTH_MAX):
        wrong.append(f"it grew from {half.kib} to {last.kib} KiB in the second half")
    if last.descriptors > half.descriptors + DESCRIPTORS_MORE:
        wrong.append(f"it went from {half.descriptors} to {last.descriptors} descriptors")
    return wrong


def main(words: Sequence[str] | None = None) -> int:
    """Soaks, prints what was seen, and returns 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="so long (default 300)")
    seconds = parser.parse_args(words).seconds
    with Daemon(keeps_state=True) as daemon:
        soak = Soak(daemon, seconds)
        asyncio.run(soak.run())
        complaints = daemon.complaints()
    rows = [(f"{x.at_s:.0f}", str(x.rounds), f"{x.kib:,}", str(x.descriptors)) for x in soak.looks]
    step = max(1, len(rows) // 20)
    print(layout([("seconds", "rounds", "KiB", "descriptors"), *rows[::step]], left=set()))
    wrong = verdict(soak.looks)
    if "Traceback" in complaints:
        wrong.append(complaints)
    print(
        "\n".join(wrong) or f"{soak.rounds} rounds, every answer right; memory and descriptors flat"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
