"""Policies: which of the instances that can take a command gets it.

Nothing here is left to chance outside: `random` draws from a generator that lives in the core, so a
run can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askrd.core.services import Instance, Service

ROUND_ROBIN = "round_robin"


def _round_robin(service: Service, able: list[Instance], _key: bytes) -> Instance:
    """The next in the order they joined, from where the service's turn is."""
    everyone = list(service.instances.values())
    cursor = service.cursor % len(everyone)
    for step in range(len(everyone)):
        member = everyone[(cursor + step) % len(everyone)]
        if member in able:
            service.cursor = cursor + step + 1
            return member
    return able[0]


def _least(_service: Service, able: list[Instance], _key: bytes) -> Instance:
    """The one with the fewest unanswered commands; of equals the one that joined first."""
    return min(able, key=lambda member: len(member.session.asked))


def _random(service: Service, able: list[Instance], _key: bytes) -> Instance:
    """Any of them, evenly."""
    return able[service.draw() % len(able)]


def _hash(_service: Service, able: list[Instance], key: bytes) -> Instance:
    """The same one for the same key while it is there; others keep theirs when one leaves."""
    return max(able, key=lambda member: blake2b(member.stamp + b"\0" + key).digest())


def _first(_service: Service, able: list[Instance], _key: bytes) -> Instance:
    """The one that joined first; the others stand by."""
    return able[0]


def _weighted(_service: Service, able: list[Instance], _key: bytes) -> Instance:
    """Each as often as its weight says, evenly spread over time."""
    total = 0
    for member in able:
        member.credit += member.provision.weight
        total += member.provision.weight
    chosen = max(able, key=lambda member: member.credit)
    chosen.credit -= total
    return chosen


Policy = Callable[["Service", "list[Instance]", bytes], "Instance"]

POLICIES: dict[str, Policy] = {
    ROUND_ROBIN: _round_robin,
    "least": _least,
    "random": _random,
    "hash": _hash,
    "hash(key)": _hash,
    "first": _first,
    "weighted": _weighted,
}
"""Every policy a service or a command may declare. ``hash`` goes by the caller's key."""
