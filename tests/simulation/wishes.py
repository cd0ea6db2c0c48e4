"""What callers of a simulated world want: whom they ask, and how."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.simulation.offers import MODES, SPECS, declared

Wish = tuple[str, dict[str, Any]]
"""An address, and the options of the call."""
PLAIN = (
    "agent.fetch", "agent.fetch", "agent.fetch", "agent.fetch", "store.fetch", "store.fetch",
    "agent.slow", "agent.slow", "store.put.it", "agent.put.it", "store.fetch", "store.slow", "slow", ".put.it",
    "fetch", "agent@{zone=a}.fetch", "agent@{zone=b}.slow", "store@{zone=a}.fetch", "nobody.fetch",
    "agent.nothing", "agent@*.fetch", "not an address", "$askr.ping", "$askr.stats",
    "$askr.services", "$askr.peers", "$askr.nothing",
)  # fmt: skip
RICH = (
    "agent.quick", "agent.quick", "store.quick", "agent.hint", "agent.tail", "agent.tail", "store.tail",
    "agent.again", "agent.again", "agent.take", "agent.take", "store.take", "agent.chat", "agent.chat",
    "agent.every", "store.every", "agent.safe", "agent.safe", "agent.safe", "store.safe", "agent.one",
    "agent.one", "agent.one", "store.one", "agent.sure", "agent.sure", "agent.spread", "agent.spread",
    "store.spread", "agent.hidden", "agent.closed", "store.closed", "agent@*.fetch", "agent@*.quick",
    "*@*.fetch", "*@*.every", "agent@*.safe", "agent@*.one", "agent@{version=^2}.fetch", "agent@*.hint",
    "agent@{zone=a}.safe", "agent@{version=~2.1}.safe", "store@*.slow",
)  # fmt: skip
KEYED = (
    "agent.safe",
    "agent.safe",
    "agent.fetch",
    "store.fetch",
    "agent.one",
    "agent.sure",
    "agent.quick",
)
"""Addresses that are asked under an idempotency key, so that the same is asked again and again."""


def draw_wish(chance: Random, known: list[str]) -> Wish:
    """Draws whom to ask, and how; ``known`` are ids of instances."""
    if chance.random() < 0.5:
        address = chance.choice(PLAIN)
        if chance.random() < 0.1 and known:
            address = f"agent@{chance.choice(known)}.fetch"
        return address, {}
    address = chance.choice(RICH)
    if chance.random() < 0.15 and known:
        some = chance.sample(known, min(len(known), chance.randint(1, 3)))
        address = f"agent@{','.join(some)}.{chance.choice(('safe', 'safe', 'slow', 'tail'))}"
    options: dict[str, Any] = {}
    if chance.random() < 0.15:
        return chance.choice(KEYED), {"idempotency_key": chance.choice("abcdef")}
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        options |= _option(chance, address, known)
    if address.endswith((".tail", ".again", ".chat")) and chance.random() < 0.7:
        options["reply"] = "stream"
    if address.endswith((".take", ".chat")) and chance.random() < 0.8:
        options["upload"] = "items"
    return address, options


def _option(chance: Random, address: str, known: list[str]) -> dict[str, Any]:
    return chance.choice(
        (
            {"reply": _reply(chance, address)},
            {"reply": _reply(chance, address)},
            {"all": True},
            {"first": True},
            {"quorum": chance.randint(1, 3)},
            {"exclude": chance.sample(known, min(len(known), 2))},
            {"key": chance.choice("xyz")},
            {"version": chance.choice(("^2", "~2.1", "2", "1.9.0", "^3"))},
            {"wait_ms": chance.choice((100, 800))},
            {"upload": "payload"},
        )
    )


def _reply(chance: Random, address: str) -> str:
    """Returns a mode that the command gives, most of the time."""
    names = [name for name in SPECS if address.endswith("." + name)] or ["fetch"]
    most = MODES.index(declared(names[0])) if chance.random() < 0.9 else 3
    return chance.choice(("", *MODES[1 : most + 1]))
