"""What a user of redis-py writes: request and reply over two channels, as Redis has none."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import redis.asyncio as redis

from bench.sdk.user import Tally

CONNECTIONS_MAX = 64
ANSWER_SECONDS = 5.0


class RedisUser:
    """A pool of connections to publish with, and one that is subscribed.

    A request is ``reply-channel number payload``; its answer ``number payload``.
    """

    def __init__(self) -> None:
        self._asked: dict[bytes, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count(1)
        self._mailbox = f"bench.reply.{uuid.uuid4().hex}"
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, max_connections=CONNECTIONS_MAX + 8)
        self._heard = self._client.pubsub()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._heard.aclose()
        await self._client.aclose()

    async def answer(self) -> None:
        await self._subscribe("bench.echo", "bench.order")
        limit = asyncio.Semaphore(CONNECTIONS_MAX)

        async def respond(message: dict[str, Any]) -> None:
            mailbox, number, payload = message["data"].split(b" ", 2)
            if message["channel"] == b"bench.order":
                payload = msgspec.json.encode(msgspec.json.decode(payload))
            async with limit:
                await self._client.publish(mailbox, number + b" " + payload)

        async def serve() -> None:
            async with asyncio.TaskGroup() as group:
                async for message in self._heard.listen():
                    group.create_task(respond(message))

        self._spawn(serve())

    async def ask(self, payload: bytes, tally: Tally) -> None:
        while tally.is_open:
            tally.add(await self._ask("bench.echo", payload) == payload)

    async def ask_json(self, value: dict[str, Any], tally: Tally) -> None:
        while tally.is_open:
            answer = await self._ask("bench.order", msgspec.json.encode(value))
            tally.add(msgspec.json.decode(answer) == value)

    async def prepare(self) -> None:
        await self._subscribe(self._mailbox)
        self._spawn(self._collect())

    async def _ask(self, channel: str, payload: bytes) -> bytes:
        number = b"%d" % next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                request = b"%s %s %s" % (self._mailbox.encode(), number, payload)
                await self._client.publish(channel, request)
                return await answer
        finally:
            del self._asked[number]

    async def _collect(self) -> None:
        async for message in self._heard.listen():
            number, payload = message["data"].split(b" ", 1)
            if answer := self._asked.get(number):
                answer.set_result(payload)

    async def tell(self, subject: str, payload: bytes, count: int) -> None:
        async with self._client.pipeline(transaction=False) as batch:
            for _ in range(count):
                batch.publish(subject, payload)
            await batch.execute()

    async def hear(self, subject: str) -> AsyncIterator[bytes]:
        await self._subscribe(subject)
        return self._payloads()

    async def _payloads(self) -> AsyncIterator[bytes]:
        async for message in self._heard.listen():
            yield message["data"]

    async def _subscribe(self, *channels: str) -> None:
        """Subscribes; what is published after it returns is heard."""
        await self._heard.subscribe(*channels)
        for _ in channels:
            await self._heard.get_message(timeout=ANSWER_SECONDS)

    def _spawn(self, work: Any) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))
