"""What a user of askr writes."""

from collections.abc import AsyncIterator
from typing import Any

from askrd import Askr, Client
from bench.sdk.user import Tally


class AskrUser:
    """A client, and an agent when it answers."""

    def __init__(self) -> None:
        self._url = ""
        self._agent: Askr | None = None

    async def open(self, url: str) -> None:
        self._url = url
        self._client = Client(url)
        await self._client.connect()

    async def close(self) -> None:
        if self._agent is not None:
            await self._agent.close()
        await self._client.close()

    async def answer(self) -> None:
        agent = self._agent = Askr("bench", url=self._url)

        @agent.command
        async def echo(payload: bytes) -> bytes:
            return payload

        @agent.command
        async def order(
            id: int, name: str, tags: list[str], price: float, text: str
        ) -> dict[str, Any]:
            return {"id": id, "name": name, "tags": tags, "price": price, "text": text}

        await agent.connect()

    async def prepare(self) -> None:
        """Nothing has to be prepared."""

    async def ask(self, payload: bytes, tally: Tally) -> None:
        while tally.is_open:
            tally.add(await self._client.send("bench.echo", payload) == payload)

    async def ask_json(self, value: dict[str, Any], tally: Tally) -> None:
        while tally.is_open:
            tally.add(await self._client.send("bench.order", value) == value)

    async def tell(self, subject: str, payload: bytes, count: int) -> None:
        for _ in range(count):
            await self._client.emit(subject, payload)

    async def hear(self, subject: str) -> AsyncIterator[bytes]:
        events = self._client.listen(subject)
        await events.begin()
        return _payloads(events)


async def _payloads(events: Any) -> AsyncIterator[bytes]:
    async with events:
        async for event in events:
            yield event.payload
