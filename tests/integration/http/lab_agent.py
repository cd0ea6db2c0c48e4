"""A service of every kind of command, in a process of its own; the HTTP tests ask it."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from askrd import Askr, CommandError, Context, Upload

agent = Askr("lab", version="1.2.0", doc="Does as it is told.")


@dataclass
class Point:
    x: int
    y: int


@agent.command(idempotent=True)
async def add(a: int, b: int = 1, note: str = "") -> dict[str, Any]:
    """Adds two numbers."""
    return {"sum": a + b, "note": note}


@agent.command
async def move(point: Point) -> Point:
    """Moves a point to the right."""
    return Point(point.x + 1, point.y)


@agent.command
async def headers(ctx: Context) -> dict[str, Any]:
    """Returns what the caller said beside its payload."""
    return {"headers": dict(ctx.headers), "remaining": ctx.remaining, "caller": str(ctx.caller)}


@agent.command
async def size(text: bytes) -> int:
    """Returns the size of a payload."""
    return len(text)


@agent.command
async def large(of: int) -> bytes:
    """Returns as many bytes."""
    return b"x" * of


@agent.command
async def fail(code: str, status: int = 0) -> None:
    """Fails as it is told."""
    raise CommandError(code, "as you wish", details={"http_status": status} if status else {})


@agent.command
async def crash() -> None:
    """Fails unexpectedly."""
    raise RuntimeError("secret")


@agent.command
async def wait(name: str = "") -> None:
    """Waits until it is cancelled; says so."""
    print(f"{name} began", file=sys.stderr, flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print(f"{name} ended", file=sys.stderr, flush=True)


go = asyncio.Event()


@agent.on("GO")
async def let_go() -> None:
    go.set()


@agent.command
async def hold() -> str:
    """Answers after the event GO."""
    print("hold began", file=sys.stderr, flush=True)
    await go.wait()
    return "held"


@agent.command
async def count(to: int) -> AsyncIterator[int]:
    """Yields 1, 2, and so on."""
    for number in range(1, to + 1):
        yield number


@agent.command
async def endless() -> AsyncIterator[bytes]:
    """Yields until nobody wants more; says so."""
    try:
        while True:
            yield b"z" * 65536
    finally:
        print("endless ended", file=sys.stderr, flush=True)


@agent.command
async def pieces() -> AsyncIterator[bytes]:
    """Yields bytes."""
    for piece in (b"one\0", b"two\xff", b"three"):
        yield piece


@agent.command
async def broken(after: int = 2) -> AsyncIterator[int]:
    """Yields some items and fails."""
    for number in range(after):
        yield number
    raise CommandError("page_missing", "no such page")


@agent.command
async def put(upload: Upload, name: str = "") -> dict[str, Any]:
    """Returns size and digest of an upload of bytes."""
    digest, size = hashlib.sha256(), 0
    async for piece in upload:
        digest.update(piece)
        size += len(piece)
    return {"name": name, "size": size, "sha256": digest.hexdigest()}


@agent.command
async def total(upload: Upload[int]) -> int:
    """Adds up an upload of numbers."""
    return sum([number async for number in upload])


@agent.command
async def back(upload: Upload) -> AsyncIterator[bytes]:
    """Gives an upload back, piece by piece."""
    async for piece in upload:
        yield piece


@agent.command
async def refuse(upload: Upload) -> None:
    """Fails without reading."""
    raise CommandError("full", "the disk is full")


@agent.command(mode="broadcast")
async def roll() -> str:
    """Everyone says that it is here."""
    return "here"


if __name__ == "__main__":
    agent.run()
