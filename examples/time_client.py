"""A client of the time agent: asks once, listens to five ticks, and stops them."""

import asyncio
import sys

from askrd import AskrError, Client


async def main() -> None:
    async with Client() as client:
        print(await client.send("fetch"))
        started = await client.call("start")
        async for event in client.listen("FETCHED_TIME", count=5, timeout=30):
            print(event.payload)
        await client.send(f"agent@{started.instance}.stop")  # the one that was started


try:
    asyncio.run(main())
except AskrError as error:
    sys.exit(f"time_client: {error}")
