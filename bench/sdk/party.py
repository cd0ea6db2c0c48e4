"""One process of a run: it answers, asks, publishes or subscribes, and says how that went.

It prints one JSON object per line: `ready`, then `begin` and `end` of what is measured. It ends
by itself, or when its standard input does.
"""

import argparse
import asyncio
import json
import sys
from contextlib import suppress

from bench.sdk.user import Tally, User, get_user
from bench.sdk.workloads import ACK_EVERY, CHUNK, ORDER, PAYLOAD, WINDOW

EVENT, ACK = "BENCH_EVENT", "BENCH_ACK"
DRAIN_SECONDS = 10.0


def say(word: str, **facts: object) -> None:
    """Tells the coordinator."""
    print(json.dumps({"word": word, **facts}), flush=True)


async def stand_by() -> None:
    """Returns when standard input ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(0, ended.set)
    await ended.wait()
    loop.remove_reader(0)


async def time_it(arguments: argparse.Namespace, tally: Tally) -> None:
    """Warms up, then says what was counted between two moments."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(arguments.warm_up_ms / 1000)
    before, start = tally.count, loop.time()
    say("begin")
    await asyncio.sleep(arguments.ms / 1000)
    say("end", count=tally.count - before, seconds=loop.time() - start)


async def answer(user: User, _arguments: argparse.Namespace) -> None:
    """Answers until told to end."""
    await user.answer()
    say("ready")
    await stand_by()


async def ask(user: User, arguments: argparse.Namespace) -> None:
    """Keeps so many requests under way; every answer is compared with what was asked."""
    tally = Tally()
    await user.prepare()
    async with asyncio.TaskGroup() as group:
        for _ in range(arguments.in_flight):
            asking = user.ask_json(ORDER, tally) if arguments.json else user.ask(PAYLOAD, tally)
            group.create_task(asking)
        await time_it(arguments, tally)
        tally.is_open = False


async def hear(user: User, arguments: argparse.Namespace) -> None:
    """Subscribes over several connections and acknowledges every so many events of each."""
    users = [user, *(get_user(arguments.system) for _ in range(arguments.subscribers - 1))]
    for other in users[1:]:
        await other.open(arguments.url)

    async def read(number: int, one: User, ready: asyncio.Event) -> None:
        payloads = await one.hear(EVENT)
        ready.set()
        count = 0
        async for payload in payloads:
            if payload != PAYLOAD:
                raise AssertionError("an event is not what was published")
            count += 1
            if count % ACK_EVERY == 0:
                await one.tell(ACK, bytes([number]), 1)

    async with asyncio.TaskGroup() as group:
        tasks = []
        for number, one in enumerate(users):
            ready = asyncio.Event()
            tasks.append(group.create_task(read(number, one, ready)))
            await ready.wait()
        say("ready")
        await stand_by()
        for task in tasks:
            task.cancel()
    for other in users[1:]:
        await other.close()


async def tell(user: User, arguments: argparse.Namespace) -> None:
    """Publishes as fast as its slowest subscriber hears; all that was sent has to arrive."""
    acks = [0] * arguments.subscribers
    tally = Tally()
    heard = asyncio.Event()
    sent = 0

    async def collect() -> None:
        async for payload in await user.hear(ACK):
            acks[payload[0]] += ACK_EVERY
            tally.count += ACK_EVERY
            heard.set()

    async def publish() -> None:
        nonlocal sent
        while tally.is_open or sent % ACK_EVERY:
            while sent + CHUNK - min(acks) > WINDOW:
                heard.clear()
                await heard.wait()
            await user.tell(EVENT, PAYLOAD, CHUNK)
            sent += CHUNK

    async with asyncio.TaskGroup() as group:
        collecting = group.create_task(collect())
        await asyncio.sleep(0.2)
        publishing = group.create_task(publish())
        await time_it(arguments, tally)
        tally.is_open = False
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await publishing
                while min(acks) < sent:
                    heard.clear()
                    await heard.wait()
        except TimeoutError:
            say("failed", error=f"{sent - min(acks)} of {sent} events did not arrive")
            publishing.cancel()
        collecting.cancel()


ROLES = {"answer": answer, "ask": ask, "hear": hear, "tell": tell}


async def main(arguments: argparse.Namespace) -> None:
    """Plays the role."""
    user = get_user(arguments.system)
    await user.open(arguments.url)
    try:
        await ROLES[arguments.role](user, arguments)
    finally:
        await user.close()


def parse() -> argparse.Namespace:
    """Reads what to do from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.sdk.party", description=__doc__)
    parser.add_argument("system")
    parser.add_argument("url")
    parser.add_argument("role", choices=sorted(ROLES))
    parser.add_argument("--in-flight", type=int, default=1)
    parser.add_argument("--subscribers", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--warm-up-ms", type=int, default=300)
    parser.add_argument("--ms", type=int, default=1000)
    return parser.parse_args()


if __name__ == "__main__":
    import uvloop

    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(parse()))
    sys.stdout.flush()
