"""A service of every kind of command that the JavaScript client asks, in a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from askrd import Askr, CommandError, Context

agent = Askr("desk", doc="Does as a page tells it.")


@agent.command
async def echo(value: Any = None) -> Any:
    """Returns what it is given."""
    return value


@agent.command
async def upper(data: bytes) -> bytes:
    """Returns bytes as bytes."""
    return data.upper()


@agent.command
async def fail(code: str) -> None:
    """Fails as it is told."""
    raise CommandError(code, "as you wish", details={"why": "told"})


@agent.command
async def wait() -> None:
    """Waits until it is cancelled; says so."""
    await agent.emit("DESK_WAITS")
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.shield(agent.emit("DESK_ENDED"))


@agent.command
async def steps(ctx: Context, count: int) -> str:
    """Tells its progress."""
    for number in range(count):
        ctx.progress({"step": number})
    return "done"


@agent.command
async def said(ctx: Context) -> dict[str, Any]:
    """Returns what the caller said beside its payload."""
    return {"headers": dict(ctx.headers), "hops": ctx.hops, "remaining": ctx.remaining}


@agent.command
async def large(of: int) -> bytes:
    """Returns as many bytes."""
    return b"x" * of


@agent.command
async def count(to: int, size: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Yields 1, 2, and so on, with a text of that size."""
    for number in range(1, to + 1):
        yield {"n": number, "text": "ü" * size}


@agent.command
async def endless() -> AsyncIterator[int]:
    """Yields until nobody wants more; says so."""
    number = 0
    try:
        while True:
            number += 1
            yield number
    finally:
        await asyncio.shield(agent.emit("DESK_STREAM_ENDED"))


@agent.command
async def broken() -> AsyncIterator[int]:
    """Yields two items and fails."""
    yield 1
    yield 2
    raise CommandError("page_missing", "no such page")


@agent.command(mode="broadcast")
async def roll() -> str:
    """Everyone says that it is here."""
    return "here"


@agent.command
async def ask(target: str, payload: Any = None) -> Any:
    """Asks another service."""
    return await agent.send(target, payload)


if __name__ == "__main__":
    agent.run()
