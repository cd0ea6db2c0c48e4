"""A relay around a router of its own, for tests of what hangs on it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from askrd.core.router import Router
from askrd.core.switchboard import Daemon
from askrd.fabric.single_node import SingleNode
from askrd.relay import Relay
from askrd.store.memory import MemoryStore
from askrd.wire.limits import Limits

T = TypeVar("T")


def run(scene: Callable[[Relay], Awaitable[T]]) -> T:
    """Plays a scene around a router of its own; it may take ten seconds."""

    async def play() -> T:
        faults: list[BaseException] = []
        router = Router(
            Daemon("d", "epoch1", "1", "", "askr"), limits=Limits(), now_us=0, wall_offset_us=0
        )
        loop = asyncio.get_running_loop()
        make_fabric = partial(
            SingleNode, make_store=lambda outcomes: MemoryStore(outcomes, loop.call_soon)
        )
        relay = Relay(router, loop=loop, on_fault=faults.append, make_fabric=make_fabric)
        async with asyncio.timeout(10):
            found = await scene(relay)
        relay.close()
        assert faults == []
        return found

    return asyncio.run(play())
