"""A service whose commands stream, read uploads, and answer everybody: what clients are tried on."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from askrd import Askr, CommandError, Context, Upload

agent = Askr("flow")
made = {"endless": 0, "cut_off": ""}


@agent.command
async def count(to: int) -> AsyncIterator[int]:
    for number in range(to):
        yield number


@agent.command
async def endless() -> AsyncIterator[bytes]:
    made["endless"] = 0
    while True:
        made["endless"] += 1
        yield bytes(1024)


@agent.command
async def produced() -> int:
    return int(made["endless"])


@agent.command
async def breaks(after: int) -> AsyncIterator[int]:
    for number in range(after):
        yield number
    raise CommandError("sold_out", "none left", details={"after": after})


@agent.command
async def digest(data: Upload[bytes]) -> dict[str, Any]:
    whole, size = hashlib.sha256(), 0
    async for piece in data:
        whole.update(piece)
        size += len(piece)
    return {"size": size, "sha256": whole.hexdigest()}


@agent.command
async def cut_off(data: Upload[int]) -> None:
    try:
        async for _ in data:
            pass
    except Exception as error:
        made["cut_off"] = f"{type(error).__name__} {error}"
        raise


@agent.command
async def last_cut() -> str:
    return str(made["cut_off"])


@agent.command
async def full(data: Upload[int]) -> None:
    async for number in data:
        if number >= 2:
            raise CommandError("disk_full", "no more")


@agent.command
async def double(data: Upload[int]) -> AsyncIterator[int]:
    async for number in data:
        yield 2 * number


@agent.command
async def echo(value: Any) -> Any:
    return value


@agent.command(reply="ack")
async def job(ctx: Context) -> None:
    await asyncio.sleep(60)


@agent.command(mode="broadcast")
async def who() -> str:
    return "flow"


@agent.command
def through_a_thread(numbers: int) -> list[Any]:
    with agent.sync.stream("flow.double", upload=iter(range(numbers))) as items:
        doubled = list(items)
    rows = agent.sync.survey("flow.who")
    told = agent.sync.tell("flow.echo", 1)
    size = agent.sync.send("flow.digest", upload=[b"abc"])["size"]
    return [doubled, [row.value for row in rows], told.service, size]


@agent.command
async def through_the_loop(numbers: int) -> list[Any]:
    doubled = [n async for n in agent.stream("flow.double", upload=range(numbers))]
    rows = await agent.survey("flow.who")
    told = await agent.tell("flow.echo", 1)
    return [doubled, [row.value for row in rows], told.service]


if __name__ == "__main__":
    agent.run()
