"""A service with queued commands and a listener that answers, in a process of its own."""

import asyncio
from typing import Any

from askrd import Askr, CommandError

agent = Askr("mail")


@agent.command(queue=True)
async def post(to: str = "home") -> dict[str, str]:
    """Posts a letter."""
    return {"posted": to}


@agent.command(queue=True)
async def picture() -> bytes:
    """Returns bytes."""
    return b"\0\xff"


@agent.command(queue=True)
async def refuse() -> None:
    """Fails for good."""
    raise CommandError("no_address", "there is no such address\x1b[2J")


@agent.command(queue=True, attempts=2, backoff=0.05)
async def crash() -> None:
    """Fails each time it is tried."""
    raise RuntimeError("out of stamps")


hushed = asyncio.Event()


@agent.command(queue=True, keep=0)
async def whisper() -> str:
    """Returns what nobody keeps, once it is quiet."""
    await hushed.wait()
    return "psst"


@agent.on("HUSH")
async def hush() -> None:
    """Makes it quiet."""
    hushed.set()


@agent.command(queue=True)
async def hang() -> None:
    """Waits until it is cancelled."""
    await asyncio.Event().wait()


@agent.on("WHO_IS_THERE")
async def here(asked: Any = None) -> dict[str, Any]:
    """Answers who asks."""
    return {"asked": asked}


if __name__ == "__main__":
    agent.run()
