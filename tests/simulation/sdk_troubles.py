"""What befalls the connections of the real SDK in virtual time: cuts, silence, torn reads, restarts."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from askrd.sdk import connection, life
from askrd.sdk.transport import Receiver
from askrd.testing.memory_daemon import MemoryDaemon
from askrd.testing.memory_transport import MemoryDoor, MemoryTransport
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.addresses import DaemonAddress
from askrd.wire.limits import DEFAULT_LIMITS, Limits

Told = TypeVar("Told")
SHUT_S = (0.5, 3, 8, 15, 25)
"""How long nobody may come in: within the time a session is kept, and beyond it."""
SHUT_BEHIND_TORN = 0.3
"""How likely nobody comes in for a while after a connection has torn."""
ROOMS_BYTES = (1_500, 6_000, 15_000)
"""What comes over a connection that tears, at most: the beginning of a session, or more."""


class Wire:
    """One connection of the SDK; it stands between the transport in memory and who uses it.

    Attributes:
        is_mute: nothing comes down from the daemon, and nobody is told.
        is_deaf: nothing goes up to the daemon, and nobody is told.
        is_over: who uses it was told that it has ended.
    """

    def __init__(self, receiver: Receiver, room: int | None, torn: Callable[[Wire], None]) -> None:
        """Begins.

        Args:
            receiver: who uses it.
            room: after how many bytes from the daemon it tears; None = it does not.
            torn: called when it has.
        """
        self.is_mute = self.is_deaf = self.is_over = False
        self._receiver = receiver
        self._room = room
        self._torn = torn
        self._transport: MemoryTransport | None = None

    def join(self, transport: MemoryTransport) -> None:
        """Takes the transport below."""
        self._transport = transport

    def lose(self) -> None:
        """Ends it now; both sides learn of it."""
        self.is_mute = self.is_deaf = False
        self.abort()

    # --- as a transport, for the SDK --------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends bytes."""
        if self._transport is not None and not self.is_deaf:
            self._transport.write(data)

    def close(self) -> None:
        """Ends it behind what was written; a deaf one does not hear of that."""
        if self._transport is not None and not self.is_deaf:
            self._transport.close()

    def abort(self) -> None:
        """Ends it now; when it is deaf, the daemon does not learn of it."""
        if self._transport is not None and not self.is_deaf:
            self._transport.abort()
        asyncio.get_running_loop().call_soon(self._end, "aborted")

    # --- as a receiver, for the daemon ------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Hands on what fits in the room, then tears."""
        if self.is_mute or self.is_over or self._room == 0:
            return
        if self._room is not None:
            data = data[: self._room]
            self._room -= len(data)
        self._receiver.data_received(data)
        if self._room == 0:
            asyncio.get_running_loop().call_soon(self._torn, self)

    def connection_lost(self, reason: str) -> None:
        """Hands on that nothing more comes; of a mute one nobody hears it."""
        if not self.is_mute:
            self._end(reason)

    def pause_writing(self) -> None:
        """Hands it on."""
        self._receiver.pause_writing()

    def resume_writing(self) -> None:
        """Hands it on."""
        self._receiver.resume_writing()

    def _end(self, reason: str) -> None:
        if not self.is_over:
            self.is_over = True
            self._receiver.connection_lost(reason)


class TroubledDoor:
    """Where peers of a daemon in memory come in, and what befalls them then; a `Dial` of the SDK.

    Attributes:
        chance: what decides.
        tearing: how likely a new connection tears in the middle of a read.
        befell: how often what happened.
    """

    def __init__(
        self, chance: random.Random, *, limits: Limits = DEFAULT_LIMITS, tearing: float = 0.0
    ) -> None:
        """Opens the door of a new daemon; call it inside a running loop."""
        self.chance = chance
        self.tearing = tearing
        self.befell: Counter[str] = Counter()
        self._limits = limits
        self._inner = MemoryDoor(self._new_daemon())
        self._wires: list[Wire] = []

    async def __call__(self, address: DaemonAddress, receiver: Receiver) -> Wire:
        """Connects ``receiver``.

        Raises:
            CannotConnect: the door is shut.
        """
        tears = self.chance.random() < self.tearing
        room = self.chance.randrange(300, self.chance.choice(ROOMS_BYTES))
        wire = Wire(receiver, room if tears else None, self._torn)
        wire.join(await self._inner(address, wire))
        self._wires.append(wire)
        return wire

    @property
    def daemon(self) -> MemoryDaemon:
        """Who is behind it now."""
        return self._inner.daemon

    @property
    def wires(self) -> list[Wire]:
        """The connections that are not over, the oldest first."""
        self._wires = [wire for wire in self._wires if not wire.is_over]
        return list(self._wires)

    def suffer(self, likely: dict[Trouble, float]) -> None:
        """Lets one trouble happen, or none; each is as likely as ``likely`` says."""
        luck = self.chance.random()
        for trouble, share in likely.items():
            luck -= share
            if luck < 0:
                self.befell[trouble.__name__] += 1
                trouble(self)
                return

    def calm_down(self) -> None:
        """Lets everybody in again, and lets nothing more happen to new connections."""
        self.tearing = 0.0
        self._inner.is_open = True

    # --- troubles ---------------------------------------------------------------------------

    def lose_one(self) -> None:
        """Cuts any connection."""
        if wires := self.wires:
            self.chance.choice(wires).lose()

    def lose_all(self) -> None:
        """Cuts them all."""
        for wire in self.wires:
            wire.lose()

    def shut(self) -> None:
        """Cuts them all, and lets nobody in for a while."""
        self._inner.is_open = False
        self.lose_all()
        seconds = self.chance.choice(SHUT_S)
        asyncio.get_running_loop().call_later(seconds, setattr, self._inner, "is_open", True)

    def mute_one(self) -> None:
        """Has nothing more come down any connection."""
        if wires := self.wires:
            self.chance.choice(wires).is_mute = True

    def deafen_one(self) -> None:
        """Has nothing more go up any connection."""
        if wires := self.wires:
            self.chance.choice(wires).is_deaf = True

    def pull_one(self) -> None:
        """Pulls the cable of any connection: nothing goes either way, and nobody is told."""
        if wires := self.wires:
            wire = self.chance.choice(wires)
            wire.is_mute = wire.is_deaf = True

    def restart(self) -> None:
        """Puts a daemon behind the door that knows nothing of the one before."""
        before, self._inner.daemon = self.daemon, self._new_daemon()
        self.lose_all()
        before.stop()

    def _torn(self, wire: Wire) -> None:
        """Ends a connection in the middle of a read; now and then nobody comes in after that."""
        self.befell["torn"] += 1
        wire.lose()
        if self.tearing and self.chance.random() < SHUT_BEHIND_TORN:
            self.shut()

    def _new_daemon(self) -> MemoryDaemon:
        return MemoryDaemon(seed=self.chance.randrange(2**32), limits=self._limits)


Trouble = Callable[[TroubledDoor], None]
Story = Callable[[random.Random], Coroutine[Any, Any, Told]]


async def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Waits, in virtual time, until ``condition`` holds.

    Raises:
        AssertionError: it does not within ``seconds``.
    """
    until_s = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < until_s, f"not after {seconds} s: {what}"
        await asyncio.sleep(0.1)


async def _watched(story: Story[Told], chance: random.Random) -> Told:
    """Tells a story; holds that no task outlives it and that no error went unheard."""
    loop, complaints = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: complaints.append(repr(context)))
    told = await story(chance)
    gc.collect()
    await until(lambda: len(asyncio.all_tasks()) == 1, 60, "every task has ended")
    gc.collect()
    assert not complaints, "errors nobody heard"
    return told


def play(seed: int, story: Story[Told], file: str) -> Told:
    """Tells the story of a seed in virtual time; a failure says how to see it again."""
    chance = random.Random(seed)
    jitter = SimpleNamespace(Random=lambda: random.Random(chance.random()))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "random", jitter)
            patch.setattr(life, "random", jitter)
            with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
                return runner.run(_watched(story, chance))
    except BaseException as error:
        error.add_note(f"to see it again: pytest {file} --world {seed}")
        raise
