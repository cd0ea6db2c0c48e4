"""What is compared: a program together with the way it is spoken to."""

from dataclasses import dataclass

from bench.peers.programs import PROGRAMS, Program, Running
from bench.workloads import Workload

FACES = frozenset(
    {"idle", "call-1", "call-64", "call-64x1", "event-10", "event-100", "event-100-single"}
    | {"event-64k", "event-1m"}
)
"""Workloads in which a unix socket or WebSocket is measured beside plain TCP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One column of the comparison.

    Attributes:
        name: stable id, used by ``--systems`` and in the results.
        title: what a reader sees.
        program: what is started.
        protocol: what the generator speaks to it.
        over: ``tcp`` or ``unix``.
        is_face: whether this is a second way to speak to a program that is here already.
    """

    name: str
    title: str
    program: Program
    protocol: str
    over: str = "tcp"
    is_face: bool = False

    def takes(self, workload: Workload) -> bool:
        """Returns whether ``workload`` is measured on this system."""
        return not self.is_face or workload.name in FACES

    def url_of(self, running: Running) -> str:
        """Returns the address the generator connects to."""
        return running.unix if self.over == "unix" else running.tcp


def _peer(name: str, protocol: str) -> System:
    return System(name=name, title=name, program=PROGRAMS[name], protocol=protocol)


def _askrd(name: str, title: str, program: str) -> tuple[System, ...]:
    started = PROGRAMS[program]
    return (
        System(name=name, title=f"askrd {title}", program=started, protocol="askr"),
        System(
            name=f"{name}-unix",
            title=f"{title}, unix socket",
            program=started,
            protocol="askr",
            over="unix",
            is_face=True,
        ),
        System(
            name=f"{name}-ws",
            title=f"{title}, WebSocket",
            program=started,
            protocol="askr-ws",
            is_face=True,
        ),
    )


FLOOR = System(name="floor", title="C floor", program=PROGRAMS["floor"], protocol="askr")
PEERS = (
    _peer("nats", "nats"),
    _peer("redis", "redis"),
    _peer("mosquitto", "mqtt"),
    _peer("crossbar", "wamp"),
)
OURS = (*_askrd("pure", "pure", "askrd"), *_askrd("compiled", "compiled", "askrd-compiled"))
SYSTEMS = (FLOOR, *OURS, *PEERS)
OUR_NAMES = tuple(system.name for system in OURS)
BY_NAME = {system.name: system for system in SYSTEMS}
