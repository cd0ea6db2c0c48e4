"""What the programs of all systems have in common: five verbs, each written as its users write it."""

from collections.abc import AsyncIterator
from typing import Any, Protocol


class Tally:
    """What was counted so far, and whether to go on.

    Attributes:
        count: answers or events that came back.
        is_open: whether to go on.
    """

    __slots__ = ("count", "is_open")

    def __init__(self) -> None:
        self.count = 0
        self.is_open = True

    def add(self, same: object) -> None:
        """Counts an answer.

        Raises:
            ValueError: it is not ``same`` as what was asked.
        """
        if not same:
            raise ValueError("an answer is not what was asked")
        self.count += 1


class User(Protocol):
    """A program that asks, answers, tells and hears through one client library."""

    async def open(self, url: str) -> None:
        """Connects."""
        ...

    async def close(self) -> None:
        """Disconnects."""
        ...

    async def answer(self) -> None:
        """Starts to answer requests with what they carry; returns when it does."""
        ...

    async def prepare(self) -> None:
        """Gets ready to ask."""
        ...

    async def ask(self, payload: bytes, tally: Tally) -> None:
        """Asks one request after another until the tally is closed; checks every answer."""
        ...

    async def ask_json(self, value: dict[str, Any], tally: Tally) -> None:
        """Does the same with a JSON object."""
        ...

    async def tell(self, subject: str, payload: bytes, count: int) -> None:
        """Publishes an event so many times."""
        ...

    async def hear(self, subject: str) -> AsyncIterator[bytes]:
        """Returns the payloads of events, from now on."""
        ...


def get_user(system: str) -> User:
    """Returns the user of a system; its library is imported here and nowhere else."""
    if system == "nats":
        from bench.sdk.nats_user import NatsUser

        return NatsUser()
    if system == "redis":
        from bench.sdk.redis_user import RedisUser

        return RedisUser()
    from bench.sdk.askr_user import AskrUser

    return AskrUser()
