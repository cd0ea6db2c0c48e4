"""A service whose commands stream, in a process of its own; `test_streams` starts it."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from typing import Any

from askrd import Askr, CommandError, Context, Upload

agent = Askr("lab")


@agent.command
async def count(to: int) -> AsyncIterator[int]:
    """Yields 1, 2, and so on."""
    for number in range(1, to + 1):
        yield number


@agent.command
async def mixed() -> AsyncIterator[Any]:
    """Yields one of each kind."""
    for item in (1, "two\x1b[2J", None, {"a": [3]}, b"\0\xff"):
        yield item


@agent.command
async def broken() -> AsyncIterator[int]:
    """Yields two items and fails."""
    yield 1
    yield 2
    raise CommandError("page_missing", "no such page")


@agent.command
async def endless() -> AsyncIterator[int]:
    """Yields until nobody wants more; says so."""
    number = 0
    try:
        while True:
            number += 1
            yield number
            await asyncio.sleep(0)
    finally:
        print("endless ended", file=sys.stderr, flush=True)


@agent.command
async def silent() -> AsyncIterator[int]:
    """Yields one item and then waits until it is cancelled; says so."""
    try:
        yield 1
        await asyncio.Event().wait()
    finally:
        print("silent ended", file=sys.stderr, flush=True)


@agent.command
async def put(upload: Upload, name: str = "") -> dict[str, Any]:
    """Returns size and digest of an upload."""
    digest, size, pieces = hashlib.sha256(), 0, 0
    async for piece in upload:
        digest.update(piece)
        size += len(piece)
        pieces += 1
    return {"name": name, "size": size, "pieces": pieces, "sha256": digest.hexdigest()}


@agent.command
async def refuse(upload: Upload) -> None:
    """Fails without reading."""
    raise CommandError("full", "the disk is full")


@agent.command
async def shout(upload: Upload) -> AsyncIterator[bytes]:
    """Yields what comes, in capitals."""
    async for piece in upload:
        yield piece.upper()


@agent.command
async def size(text: bytes) -> int:
    """Returns the size of a payload."""
    return len(text)


@agent.command
async def large(of: int) -> bytes:
    """Returns as many bytes."""
    return b"x" * of


@agent.command
async def work(ctx: Context) -> str:
    """Says how far it is, twice, and answers."""
    ctx.progress({"percent": 50})
    ctx.progress("nearly\x1b[2J")
    return "done"


if __name__ == "__main__":
    agent.run()
