"""Services and their instances: who offers what, what an operator made of them, and who waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from askrd.core.session import Entry
from askrd.core.statistics import CommandStatistics
from askrd.wire.bodies import CommandSpec, Provision
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError
from askrd.wire.frames import Frame
from askrd.wire.limits import COMMANDS_PER_SERVICE_MAX

if TYPE_CHECKING:
    from askrd.core.session import Session


ANYTHING = "*"
"""Listed by a service of a tongue without a registry: commands and events it cannot name."""


class Instance:
    """One session's provision of a service.

    Attributes:
        stamp: `service@instance`, what receivers see as the sender.
        state: `active`, `disabled` or `draining`: what an operator made of it.
        running: unanswered commands that are counted, by command. load: all of them together.
        failures: commands it failed unexpectedly in a row; failed_at: how many it had ended then.
        ejected_until_us: until when it rests after such a row; 0 = it does not.
        ejections: how often it rested without a good answer in between.
        credit: what the policy `weighted` owes it.
    """

    __slots__ = (
        "commands",
        "credit",
        "ejected_until_us",
        "ejections",
        "failed_at",
        "failures",
        "load",
        "provision",
        "running",
        "service",
        "session",
        "stamp",
        "state",
    )

    def __init__(self, service: Service, session: Session, provision: Provision) -> None:
        self.service = service
        self.session = session
        self.stamp = f"{service.name}@{session.suffix}".encode()
        self.state = "active"
        self.running: dict[str, int] = {}
        self.load = 0
        self.failures = 0
        self.failed_at = 0
        self.ejected_until_us = 0
        self.ejections = 0
        self.credit = 0
        self.provide(provision)

    def provide(self, provision: Provision) -> None:
        """Takes over what the instance offers now."""
        self.provision = provision
        self.commands: dict[str, CommandSpec] = {spec.name: spec for spec in provision.commands}

    def offers(self, command: str) -> bool:
        """Says whether it takes a command; one that cannot list its commands takes any, for a while."""
        if command in self.commands:
            return True
        if ANYTHING not in self.commands or len(self.commands) > COMMANDS_PER_SERVICE_MAX:
            return False
        self.commands[command] = CommandSpec(name=command)
        return True

    @property
    def in_flight(self) -> int:
        """Commands it is executing, cancelled ones included."""
        return sum(1 for entry in self.session.asked.values() if entry[2] is self)

    @property
    def is_ejected(self) -> bool:
        """Whether it rests after failing too much."""
        return self.ejected_until_us > 0

    @property
    def shown_state(self) -> str:
        """The instance's state for people: `active`, or why it gets nothing."""
        if self.session.is_unresponsive:
            return "unresponsive"
        return "ejected" if self.is_ejected and self.state == "active" else self.state

    def count(self, command: str, change: int) -> None:
        """Takes note that a counted command began (1) or was answered (-1)."""
        self.load += change
        self.running[command] = self.running.get(command, 0) + change


@dataclass(frozen=True, slots=True)
class Parked:
    """A command that waits in the daemon: its entry, its address, and its frame after the name.

    Attributes:
        number: counts up in the order in which commands began to wait for the service.
    """

    entry: Entry
    address: bytes
    tail: int
    rest: Raw
    number: int

    @property
    def key(self) -> tuple[Session, int]:
        """Who waits: the caller and its id for the command."""
        caller = self.entry[0]
        assert caller is not None
        return caller, self.entry[1]


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Stands in an entry where the route would, while nobody offers what the caller wants."""

    name: bytes
    statistics: ClassVar[CommandStatistics] = CommandStatistics()


@dataclass(frozen=True, slots=True)
class Hoping:
    """A command that waits for somebody to offer it.

    Attributes:
        entry: its place in the caller's ``asking``.
        frame, raw: the command.
        error: what the caller gets when nobody comes.
    """

    entry: Entry
    frame: Frame
    raw: Raw
    error: AskrError


def next_chance(x: int) -> int:
    """Returns the number behind ``x`` in a sequence that looks random: xorshift64."""
    x ^= x << 13 & 0xFFFFFFFFFFFFFFFF
    x ^= x >> 7
    return x ^ (x << 17 & 0xFFFFFFFFFFFFFFFF)


class Service:
    """A name under which commands are offered, its instances in the order they joined.

    Attributes:
        cursor: whose turn it is, for the policy `round_robin`.
        waiting: commands that wait for an instance, by canonical address, oldest first.
        waiting_count, waiting_bytes: all of them together.
        last_number: of the command that began to wait last.
    """

    __slots__ = (
        "_chance", "cursor", "instances", "last_number", "name", "waiting", "waiting_bytes",
        "waiting_count",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.instances: dict[str, Instance] = {}
        self.cursor = 0
        self.waiting: dict[bytes, dict[tuple[Session, int], Parked]] = {}
        self.waiting_count = 0
        self.waiting_bytes = 0
        self.last_number = 0
        self._chance = 0x9E3779B97F4A7C15

    def command_names(self) -> set[str]:
        """Returns every command that at least one instance lists."""
        every = self.instances.values()
        return {spec.name for instance in every for spec in instance.provision.commands}

    @property
    def turn(self) -> tuple[int, int]:
        """Where the policies `round_robin` and `random` are."""
        return self.cursor, self._chance

    @turn.setter
    def turn(self, at: tuple[int, int]) -> None:
        self.cursor, self._chance = at

    def draw(self) -> int:
        """Returns the next number, 0 to 2^32-1, of a sequence that looks random."""
        self._chance = next_chance(self._chance)
        return self._chance >> 32

    def park(self, parked: Parked) -> None:
        """Has a command wait behind those of its name."""
        queue = self.waiting.setdefault(parked.entry[4].name, {})
        queue[parked.key] = parked
        self.last_number = max(self.last_number, parked.number)
        self.waiting_count += 1
        self.waiting_bytes += len(parked.rest)

    def unpark(self, entry: Entry) -> Parked | None:
        """Takes out a command that waits; None when it does not."""
        caller, caller_id, name = entry[0], entry[1], entry[4].name
        assert caller is not None
        queue = self.waiting.get(name)
        parked = queue.pop((caller, caller_id), None) if queue else None
        if parked is not None:
            self.waiting_count -= 1
            self.waiting_bytes -= len(parked.rest)
            if not queue:
                del self.waiting[name]
        return parked

    def waits_for(self, name: bytes) -> int:
        """Counts the commands of a canonical address that wait."""
        return len(self.waiting.get(name, ()))

    def all_waiting(self) -> list[Parked]:
        """Returns every command that waits, by name and then oldest first."""
        return [parked for queue in self.waiting.values() for parked in queue.values()]
