"""A service that tells the time: when it is asked, and every second once it is started."""

import time
from typing import Any

from askrd import Askr

agent = Askr("agent")
agent.emits("FETCHED_TIME", int)


def fetch_time() -> dict[str, Any]:
    """Returns what fetch answers with."""
    return {"type": "FETCHED_TIME", "payload": time.time_ns() // 1_000_000}


async def tick() -> None:
    """Tells the time to everyone who listens."""
    await agent.emit("FETCHED_TIME", fetch_time()["payload"])


@agent.command
async def fetch() -> dict[str, Any]:
    """Returns the time in Unix milliseconds."""
    return fetch_time()


@agent.command
async def start() -> None:
    """Begins to emit FETCHED_TIME every second."""
    agent.every(1.0, tick, key="tick")


@agent.command
async def stop() -> None:
    """Ends what start began."""
    agent.cancel("tick")


if __name__ == "__main__":
    agent.run()
