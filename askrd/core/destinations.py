"""Who serves a command and who is next: the routing decision, and its memory.

`Destinations.resolve` is the one function that decides; it returns its reasons with the
decision. A `Route` is such a decision remembered for an address until the registry changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from askrd.core.course import NO_OPTIONS
from askrd.core.eligibility import BARRED, OUT_OF_ROTATION, busy, hindrance, standing
from askrd.core.routes import Route
from askrd.core.services import ANYTHING, Hoping, Instance, Service
from askrd.core.statistics import CommandStatistics
from askrd.wire.bodies import CallOptions, Provision
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    CommandAmbiguous,
    CommandUnknown,
    Draining,
    NoInstance,
    ServiceUnknown,
)
from askrd.wire.limits import (
    COMMANDS_COUNTED_MAX,
    DEPARTED_MS,
    DEPARTED_SERVICES_MAX,
    ROUTES_CACHED_MAX,
)
from askrd.wire.names import Address, nearest, parse_address

if TYPE_CHECKING:
    from askrd.core.session import Session

_NO_MEMBER = BARRED | OUT_OF_ROTATION
_REASONS_MAX = 5
"""Instances whose reasons an error tells."""
_ELIGIBLE = ("eligible", "it takes its turn")
OTHERS = "$others"
"""Name under which commands are counted together when there are too many to tell apart."""


def read_address(name: bytes) -> Address:
    """Reads the name of a call.

    Raises:
        BadRequest: it is no address.
    """
    try:
        return parse_address(name.decode())
    except UnicodeDecodeError as exc:
        raise BadRequest("an address is UTF-8") from exc


@dataclass(frozen=True, slots=True)
class Candidate:
    """One instance and what the routing decision made of it.

    Attributes:
        verdict: `eligible`, or why not: `not_offered not_addressed disabled draining ejected
            excluded version forbidden unresponsive paused saturated`.
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
    candidates: Sequence[Candidate] = ()


def candidates_in(
    services: list[Service],
    address: Address,
    caller: Session | None = None,
    options: CallOptions = NO_OPTIONS,
) -> list[Candidate]:
    """Judges every instance of ``services``; without a caller, what depends on it is left out."""
    found = []
    for service in services:
        for instance in service.instances.values():
            verdict = standing(instance, address)
            if verdict is None and caller is not None:
                verdict = hindrance(instance, address.command, caller, options)
            elif verdict is None:
                verdict = busy(instance, address.command)
            found.append(Candidate(instance, *(verdict or _ELIGIBLE)))
    return found


class Destinations:
    """The services of one workspace."""

    __slots__ = (
        "_default_timeout_ms", "departed", "hoping", "plain", "routes", "services", "statistics",
        "workspace",
    )  # fmt: skip

    def __init__(self, workspace: str, default_timeout_ms: int) -> None:
        self.workspace = workspace
        self._default_timeout_ms = default_timeout_ms
        self.services: dict[str, Service] = {}
        self.departed: dict[str, int] = {}
        self.routes: dict[bytes, Route] = {}
        self.plain: dict[bytes, Route] = {}
        self.hoping: dict[tuple[Session, int], Hoping] = {}
        self.statistics: dict[str, CommandStatistics] = {}

    def forget_routes(self) -> None:
        """Has every address decided anew, because who may be meant has changed."""
        self.routes.clear()
        self.plain.clear()

    def join(self, session: Session, provision: Provision) -> Instance:
        """Adds an instance of ``session`` for an already checked provision."""
        service = self.services.get(provision.service)
        if service is None:
            service = self.services[provision.service] = Service(provision.service)
            self.departed.pop(provision.service, None)
        instance = Instance(service, session, provision)
        service.instances[session.suffix] = instance
        self.forget_routes()
        return instance

    def change(self, instance: Instance, provision: Provision) -> None:
        """Replaces what ``instance`` offers."""
        instance.provide(provision)
        self.forget_routes()

    def leave(self, instance: Instance, now_us: int) -> None:
        """Removes an instance; its service is remembered for a while after the last one."""
        service = instance.service
        del service.instances[instance.session.suffix]
        self.forget_routes()
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
        """Returns the route for an address, remembering it.

        Raises:
            AskrError: nobody can be meant; the code says why.
        """
        known = self.routes.get(name)
        if known is not None:
            return known
        address = read_address(name)
        resolution = self.resolve(address, name.decode(), now_us)
        if resolution.route is None:
            assert resolution.error is not None
            raise resolution.error
        if address.is_survey:
            return resolution.route  # A remembered one would be taken for one of many.
        if len(self.routes) >= ROUTES_CACHED_MAX:
            self.forget_routes()
        route = self.routes[name] = resolution.route
        if route.is_plain:
            self.plain[name] = route
        return route

    def resolve(self, address: Address, text: str, now_us: int) -> Resolution:
        """Decides who may get a command, whoever asks, and says why.

        Args:
            address: whom the caller means.
            text: as it wrote it.
            now_us: the time, for sentences about services that left.

        Returns:
            The decision; exactly one of its route and error is set.
        """
        try:
            services = self.services_of(address, now_us)
        except AskrError as error:
            return Resolution(None, error)
        candidates = candidates_in(services, address)
        members = [c.instance for c in candidates if c.verdict not in _NO_MEMBER]
        if not members:
            return Resolution(None, self._nobody(address, services[0], candidates), candidates)
        canonical = f"{members[0].service.name}.{address.command}"
        route = Route(address, text, members, self._default_timeout_ms, self._counted(canonical))
        return Resolution(route, None, candidates)

    def members(self, address: Address, now_us: int) -> list[Instance]:
        """Returns every instance in rotation that a survey's address means, by service.

        Raises:
            AskrError: nobody can be meant; the code says why.
        """
        services = self.services_of(address, now_us)
        found = [
            instance
            for service in services
            for instance in service.instances.values()
            if standing(instance, address) is None
        ]
        if not found:
            raise self._nobody(address, services[0], candidates_in(services, address))
        return found

    def statistics_of(self, canonical: str) -> CommandStatistics:
        """Returns the counters of a command."""
        return self._counted(canonical)

    def _counted(self, command: str) -> CommandStatistics:
        """Returns a command's counters; beyond the limit commands share those of `OTHERS`."""
        known = self.statistics.get(command)
        if known is None:
            name = command if len(self.statistics) < COMMANDS_COUNTED_MAX else OTHERS
            known = self.statistics.setdefault(name, CommandStatistics())
        return known

    def services_of(self, address: Address, now_us: int) -> list[Service]:
        """Returns the services an address means: one, or for ``*`` all that offer the command.

        Raises:
            AskrError: there is none; the code says why.
        """
        if address.service == "*":
            offering = self._offering(address.command)
            return offering or [self._service_offering(address.command)]
        if address.service is None:
            return [self._service_offering(address.command)]
        return [self._service_named(address, now_us)]

    def _service_named(self, address: Address, now_us: int) -> Service:
        assert address.service is not None
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

    def _offering(self, command: str) -> list[Service]:
        return [s for s in self.services.values() if command in s.command_names()]

    def _service_offering(self, command: str) -> Service:
        offering = self._offering(command)
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

    def _nobody(self, address: Address, service: Service, candidates: list[Candidate]) -> AskrError:
        offered = service.command_names()
        if address.command not in offered and ANYTHING not in offered:
            close = nearest(address.command, offered)
            message = f"'{service.name}' does not offer '{address.command}'."
            return self._unknown(CommandUnknown, message, close)
        running = sorted(c.instance.session.suffix for c in candidates)
        out = [c for c in candidates if c.verdict in OUT_OF_ROTATION]
        if out:
            error = Draining if all(c.verdict == "draining" for c in out) else NoInstance
            told = "; ".join(f"{c.instance.stamp.decode()}: {c.reason}" for c in out)
            return error(
                f"no instance of '{service.name}' is in rotation. {told}. Nothing was sent",
                details={"service": service.name, "instances": running},
            )
        whys = [f"{c.instance.session.suffix}: {c.reason}" for c in candidates[:_REASONS_MAX]]
        more = f"; and {len(candidates) - len(whys)} more" if len(candidates) > len(whys) else ""
        return NoInstance(
            f"no instance of '{service.name}' fits the address in workspace {self.workspace} "
            f"({'; '.join(whys)}{more}). Nothing was sent",
            details={"service": service.name, "instances": running},
        )
