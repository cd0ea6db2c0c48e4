"""Commands that run one after another: whole, or those with an equal argument."""

import asyncio

from askrd.sdk.service import Command
from askrd.sdk.shape import said
from askrd.sdk.signature import default_of
from askrd.wire.errors import SchemaInvalid

Lane = tuple[str, bytes]


class Lanes:
    """The rows in which serial commands stand; a row without commands is forgotten.

    Those that wait are tasks in the order in which they began, which is the order of arrival. A
    command that is cancelled, or whose deadline passes, leaves its row and never runs.
    """

    __slots__ = ("_locks", "_standing")

    def __init__(self) -> None:
        """Starts without commands."""
        self._locks: dict[Lane, asyncio.Lock] = {}
        self._standing: dict[Lane, int] = {}

    def __len__(self) -> int:
        return len(self._locks)

    async def enter(self, lane: Lane) -> None:
        """Waits until those before it have left; then `leave` once, whatever happens.

        Cancelling it leaves the row as it was.
        """
        lock = self._locks.setdefault(lane, asyncio.Lock())
        self._standing[lane] = self._standing.get(lane, 0) + 1
        try:
            await lock.acquire()
        except asyncio.CancelledError:
            self._forget(lane)
            raise

    def leave(self, lane: Lane) -> None:
        """Lets the next one go on."""
        self._locks[lane].release()
        self._forget(lane)

    def _forget(self, lane: Lane) -> None:
        self._standing[lane] -= 1
        if not self._standing[lane]:
            del self._standing[lane], self._locks[lane]


def lane_of(address: str, command: Command, data: bytes, coding: int) -> Lane | None:
    """Returns the row in which a command with this payload stands.

    Returns:
        None when it stands in none, and when its payload does not fit: it will not run.
    """
    serial = command.terms.serial
    if serial is False:
        return None
    if serial is True:
        return address, b""
    try:
        arguments = command.signature.bind(data, coding)
        value, _ = said(arguments.get(serial, default_of(command.function, serial)))
    except SchemaInvalid:
        return None
    return address, value
