"""Who serves a command and who is next: services, instances, routes, and the routing decision.

`Destinations.resolve` is the one function that decides; it returns its reasons with the
decision. A `Route` is such a decision remembered for an address until the registry changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from askrd.core.session import Entry, Phase
from askrd.core.statistics import CommandStatistics
from askrd.wire.bodies import CommandSpec, Provision
from askrd.wire.codec import Raw
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    CommandAmbiguous,
    CommandUnknown,
    NoInstance,
    ServiceUnknown,
)
from askrd.wire.limits import (
    ASKED_MAX,
    COMMANDS_COUNTED_MAX,
    DEPARTED_MS,
    DEPARTED_SERVICES_MAX,
    ROUTES_CACHED_MAX,
)
from askrd.wire.names import Address, nearest, parse_address, shown

if TYPE_CHECKING:
    from askrd.core.session import Session


OTHERS = "$others"
"""Name under which commands are counted together when there are too many to tell apart."""


class Instance:
    """One session's provision of a service.

    Attributes:
        stamp: `service@instance`, what receivers see as the sender.
    """

    __slots__ = ("commands", "provision", "service", "session", "stamp")

    def __init__(self, service: Service, session: Session, provision: Provision) -> None:
        self.service = service
        self.session = session
        self.stamp = f"{service.name}@{session.suffix}".encode()
        self.provide(provision)

    def provide(self, provision: Provision) -> None:
        """Takes over what the instance offers now."""
        self.provision = provision
        self.commands: dict[str, CommandSpec] = {spec.name: spec for spec in provision.commands}

    @property
    def in_flight(self) -> int:
        """Commands it is executing, cancelled ones included."""
        return sum(1 for entry in self.session.asked.values() if entry[2] is self)

    @property
    def state(self) -> str:
        """The instance's state for people: `active` or `unresponsive`."""
        return "unresponsive" if self.session.is_unresponsive else "active"


@dataclass(frozen=True, slots=True)
class Parked:
    """A command that waits in the daemon: its entry, its address, and its frame after the name."""

    entry: Entry
    address: bytes
    tail: int
    rest: Raw


class Service:
    """A name under which commands are offered, its instances in the order they joined."""

    __slots__ = ("cursor", "instances", "name", "waiting", "waiting_bytes")

    def __init__(self, name: str) -> None:
        self.name = name
        self.instances: dict[str, Instance] = {}
        self.cursor = 0
        self.waiting: dict[tuple[Session, int], Parked] = {}
        self.waiting_bytes = 0

    def command_names(self) -> set[str]:
        """Returns every command that at least one instance offers."""
        return {name for instance in self.instances.values() for name in instance.commands}


class Route:
    """A routing decision for one address: who may get the command, in turn.

    Attributes:
        name: the canonical address `service.command` the instance sees.
        is_renamed: whether the address differs from it.
        members: instances that offer the command and are not ruled out by the address.
        timeout_ms: the deadline when the caller names none.
        statistics: the command's counters.
    """

    __slots__ = ("is_renamed", "members", "name", "service", "statistics", "timeout_ms")

    def __init__(
        self,
        name: bytes,
        service: Service,
        members: list[Instance],
        *,
        is_renamed: bool,
        timeout_ms: int,
        statistics: CommandStatistics,
    ) -> None:
        self.name = name
        self.service = service
        self.members = members
        self.is_renamed = is_renamed
        self.timeout_ms = timeout_ms
        self.statistics = statistics

    def turn(self) -> Instance | None:
        """Returns the instance whose turn it is, skipping those that cannot take a command now."""
        members = self.members
        cursor = self.service.cursor
        member = members[cursor % len(members)]
        session = member.session
        if session.is_ready and len(session.asked) < ASKED_MAX:
            self.service.cursor = cursor + 1
            return member
        return self._other(cursor)

    def _other(self, cursor: int) -> Instance | None:
        count = len(self.members)
        for step in range(1, count):
            member = self.members[(cursor + step) % count]
            session = member.session
            if session.is_ready and len(session.asked) < ASKED_MAX:
                self.service.cursor = cursor + step + 1
                return member
        return None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One instance and what the routing decision made of it.

    Attributes:
        verdict: `eligible`, or why not: `not_offered`, `not_addressed`, `unresponsive`, `paused`,
            `saturated`.
        reason: the verdict as a sentence.
    """

    instance: Instance
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """A routing decision with its reasons.

    Attributes:
        route: where commands for the address go, or None.
        error: why there is no route, or None.
        candidates: every instance of the service that was looked at.
    """

    route: Route | None
    error: AskrError | None
    candidates: tuple[Candidate, ...] = ()


class Destinations:
    """The services of one workspace."""

    __slots__ = ("_default_timeout_ms", "departed", "routes", "services", "statistics", "workspace")

    def __init__(self, workspace: str, default_timeout_ms: int) -> None:
        self.workspace = workspace
        self._default_timeout_ms = default_timeout_ms
        self.services: dict[str, Service] = {}
        self.departed: dict[str, int] = {}
        self.routes: dict[bytes, Route] = {}
        self.statistics: dict[str, CommandStatistics] = {}

    def join(self, session: Session, provision: Provision) -> Instance:
        """Adds an instance of ``session`` for an already checked provision."""
        service = self.services.get(provision.service)
        if service is None:
            service = self.services[provision.service] = Service(provision.service)
            self.departed.pop(provision.service, None)
        instance = Instance(service, session, provision)
        service.instances[session.suffix] = instance
        self.routes.clear()
        return instance

    def change(self, instance: Instance, provision: Provision) -> None:
        """Replaces what ``instance`` offers."""
        instance.provide(provision)
        self.routes.clear()

    def leave(self, instance: Instance, now_us: int) -> None:
        """Removes an instance; its service is remembered for a while after the last one."""
        service = instance.service
        del service.instances[instance.session.suffix]
        self.routes.clear()
        if not service.instances:
            del self.services[service.name]
            self.departed[service.name] = now_us
            while len(self.departed) > DEPARTED_SERVICES_MAX:
                del self.departed[next(iter(self.departed))]

    def forget_departed(self, now_us: int) -> int:
        """Drops services, with their counters, that left longer ago than they are remembered.

        Returns:
            How many commands the dropped counters had counted.
        """
        for name, left_us in list(self.departed.items()):
            if now_us - left_us < DEPARTED_MS * 1000:
                break
            del self.departed[name]
        known = self.services.keys() | self.departed.keys()
        gone = [c for c in self.statistics if c.partition(".")[0] not in known | {OTHERS}]
        return sum(self.statistics.pop(command).calls for command in gone)

    def route_for(self, name: bytes, now_us: int) -> Route:
        """Returns the route for an address, remembering it for the fast path.

        Raises:
            AskrError: nobody can be meant; the code says why.
        """
        try:
            text = name.decode()
        except UnicodeDecodeError as exc:
            raise BadRequest("an address is UTF-8") from exc
        resolution = self.resolve(text, now_us)
        if resolution.route is None:
            assert resolution.error is not None
            raise resolution.error
        if len(self.routes) >= ROUTES_CACHED_MAX:
            self.routes.clear()
        self.routes[name] = resolution.route
        return resolution.route

    def resolve(self, text: str, now_us: int) -> Resolution:
        """Decides who may get a command addressed ``text``, and says why.

        Args:
            text: the address as the caller wrote it.
            now_us: the time, for sentences about services that left.

        Returns:
            The decision; exactly one of its route and error is set.
        """
        try:
            address = parse_address(text)
            if address.is_survey or address.service == "*":
                raise BadRequest(f"{shown(text)} asks several instances; surveys are not built yet")
            service = self._service_of(address, now_us)
        except AskrError as error:
            return Resolution(None, error)
        candidates = tuple(
            Candidate(instance, *self._judge(instance, address))
            for instance in service.instances.values()
        )
        ruled_out = ("not_offered", "not_addressed")
        members = [c.instance for c in candidates if c.verdict not in ruled_out]
        if not members:
            return Resolution(None, self._nobody(address, service, candidates), candidates)
        canonical = f"{service.name}.{address.command}"
        timeouts = [m.commands[address.command].timeout_ms for m in members]
        route = Route(
            canonical.encode(),
            service,
            members,
            is_renamed=canonical != text,
            timeout_ms=next(filter(None, timeouts), self._default_timeout_ms),
            statistics=self._counted(canonical),
        )
        return Resolution(route, None, candidates)

    def _counted(self, command: str) -> CommandStatistics:
        """Returns a command's counters; beyond the limit commands share those of `OTHERS`."""
        known = self.statistics.get(command)
        if known is None:
            name = command if len(self.statistics) < COMMANDS_COUNTED_MAX else OTHERS
            known = self.statistics.setdefault(name, CommandStatistics())
        return known

    def _service_of(self, address: Address, now_us: int) -> Service:
        if address.service is None:
            return self._service_offering(address.command)
        service = self.services.get(address.service)
        if service is not None:
            return service
        left_us = self.departed.get(address.service)
        if left_us is not None:
            ago = (now_us - left_us) / 1_000_000
            raise NoInstance(
                f"no instance of '{address.service}' is running in workspace {self.workspace}; "
                f"the last one left {ago:.0f} s ago. Nothing was sent; start one and try again",
                details={"service": address.service},
            )
        raise self._unknown(
            ServiceUnknown,
            f"no service '{address.service}' in workspace {self.workspace}.",
            nearest(address.service, self.services),
        )

    def _service_offering(self, command: str) -> Service:
        offering = [s for s in self.services.values() if command in s.command_names()]
        if len(offering) == 1:
            return offering[0]
        if offering:
            choices = sorted(f"{service.name}.{command}" for service in offering)
            raise CommandAmbiguous(
                f"several services offer '{command}' in workspace {self.workspace}. "
                f"Say which: {', '.join(choices)}",
                details={"choices": choices},
            )
        known: set[str] = set()
        for service in self.services.values():
            known |= service.command_names()
        message = f"no service offers '{command}' in workspace {self.workspace}."
        raise self._unknown(CommandUnknown, message, nearest(command, known))

    @staticmethod
    def _unknown(error: type[AskrError], message: str, close: list[str]) -> AskrError:
        hint = f" Did you mean: {', '.join(close)}?" if close else ""
        return error(message + hint, details={"nearest": close})

    @staticmethod
    def _judge(instance: Instance, address: Address) -> tuple[str, str]:
        if address.instances and instance.session.suffix not in address.instances:
            return "not_addressed", f"the address names {address.instances[0]}"
        tags = instance.provision.tags
        for tag, value in address.tags:
            if tags.get(tag) != value:
                return "not_addressed", f"its tag {tag} is {tags.get(tag, 'not set')}, not {value}"
        if address.command not in instance.commands:
            return "not_offered", f"it does not offer '{address.command}'"
        session = instance.session
        if session.is_unresponsive or session.phase is not Phase.OPEN:
            return "unresponsive", "it has been silent too long"
        if not session.is_ready:
            return "paused", "it does not read what it was sent"
        if len(session.asked) >= ASKED_MAX:
            return "saturated", f"it has {len(session.asked)} unanswered commands"
        return "eligible", "it takes its turn"

    def _nobody(
        self, address: Address, service: Service, candidates: tuple[Candidate, ...]
    ) -> AskrError:
        offered = service.command_names()
        if address.command not in offered:
            close = nearest(address.command, offered)
            message = f"'{service.name}' does not offer '{address.command}'."
            return self._unknown(CommandUnknown, message, close)
        running = sorted(c.instance.session.suffix for c in candidates)
        return NoInstance(
            f"no instance of '{service.name}' fits the address in workspace {self.workspace}; "
            f"running: {', '.join(running)}. Nothing was sent",
            details={"service": service.name, "instances": running},
        )
