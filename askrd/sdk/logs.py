"""Logs, for programs that await them: `client.logs`."""

from typing import TYPE_CHECKING

from askrd.sdk.log import Consumer, Log, definition, read

if TYPE_CHECKING:
    from askrd.sdk.client import Client


class Logs:
    """The logs of the workspace; `Client.listen` with ``log=`` reads one.

    Every method raises an `AskrError` when the daemon cannot be asked, and `NotFound` when there
    is no such log.
    """

    __slots__ = ("_client",)

    def __init__(self, client: "Client") -> None:
        self._client = client

    async def create(
        self,
        name: str,
        *patterns: str,
        age: float | None = None,
        count: int | None = None,
        bytes: int | None = None,  # noqa: A002  # as the wire calls it
        ack_wait: float | None = None,
        max_deliveries: int | None = None,
    ) -> Log:
        """Creates a log, or gives the one of this name other limits.

        Args:
            name: a word.
            *patterns: of the events it keeps.
            age: seconds it keeps them; 0 = as long as there is room; None = 7 days.
            count: how many events at most; None = 100 000.
            bytes: how many bytes of events at most, up to 256 MiB; None = 64 MiB.
            ack_wait: seconds a consumer may take to acknowledge one; None = 30.
            max_deliveries: how often a consumer gets one; None = 5.
        """
        wanted = definition(
            name, patterns, age=age, count=count, bytes=bytes, ack_wait=ack_wait,
            max_deliveries=max_deliveries,
        )  # fmt: skip
        return read(Log, await self._client.send("$askr.logs.create", wanted))

    async def consumers(self, name: str) -> list[Consumer]:
        """Returns the consumers of a log, and how far they are."""
        rows = await self._client.send("$askr.logs.consumers", {"name": name})
        return read(list[Consumer], rows)

    async def list(self) -> list[Log]:
        """Returns every log."""
        return read(list[Log], await self._client.send("$askr.logs.list"))

    async def show(self, name: str) -> Log:
        """Returns one log."""
        return read(Log, await self._client.send("$askr.logs.show", {"name": name}))

    async def remove(self, name: str) -> None:
        """Removes a log with its events and consumers."""
        await self._client.send("$askr.logs.remove", {"name": name})

    async def purge(self, name: str, upto: int | None = None) -> int:
        """Removes events, and returns how many they were.

        Args:
            name: of the log.
            upto: only those up to this number; None = all.
        """
        wanted = {"name": name} if upto is None else {"name": name, "upto": upto}
        return int((await self._client.send("$askr.logs.purge", wanted))["purged"])

    async def remove_consumer(self, name: str, consumer: str) -> None:
        """Forgets the place of a consumer.

        Raises:
            NotFound: there is no such log, or consumer.
        """
        await self._client.send("$askr.logs.remove_consumer", {"name": name, "consumer": consumer})
