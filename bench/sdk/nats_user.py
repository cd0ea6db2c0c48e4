"""What a user of nats-py writes."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import nats
from nats.aio.msg import Msg

from bench.sdk.user import Tally

ANSWER_SECONDS = 5.0


class NatsUser:
    """One connection; answers by `respond`, asks by `request`, hears by `messages`."""

    async def open(self, url: str) -> None:
        self._client = await nats.connect(url)

    async def close(self) -> None:
        await self._client.close()

    async def answer(self) -> None:
        async def echo(message: Msg) -> None:
            await message.respond(message.data)

        async def order(message: Msg) -> None:
            value = msgspec.json.decode(message.data)
            await message.respond(msgspec.json.encode(value))

        await self._client.subscribe("bench.echo", cb=echo)
        await self._client.subscribe("bench.order", cb=order)
        await self._client.flush()

    async def prepare(self) -> None:
        """Nothing has to be prepared."""

    async def ask(self, payload: bytes, tally: Tally) -> None:
        while tally.is_open:
            answer = await self._client.request("bench.echo", payload, timeout=ANSWER_SECONDS)
            tally.add(answer.data == payload)

    async def ask_json(self, value: dict[str, Any], tally: Tally) -> None:
        while tally.is_open:
            request = msgspec.json.encode(value)
            answer = await self._client.request("bench.order", request, timeout=ANSWER_SECONDS)
            tally.add(msgspec.json.decode(answer.data) == value)

    async def tell(self, subject: str, payload: bytes, count: int) -> None:
        for _ in range(count):
            await self._client.publish(subject, payload)

    async def hear(self, subject: str) -> AsyncIterator[bytes]:
        subscription = await self._client.subscribe(subject)
        await self._client.flush()
        return _payloads(subscription.messages)


async def _payloads(messages: AsyncIterator[Msg]) -> AsyncIterator[bytes]:
    async for message in messages:
        yield message.data
