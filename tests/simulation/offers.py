"""What the services of a simulated world offer, and who may be asked for it, told in plain terms.

It says again, in the simplest words, what eligibility says in the router: two opinions on one rule.
"""

from __future__ import annotations

from typing import Any

from askrd.core.services import Instance
from askrd.core.session import Session
from askrd.wire.bodies import CommandSpec, Provision

SPECS: dict[str, dict[str, Any]] = {
    "fetch": {},
    "put.it": {},
    "slow": {},
    "quick": {"reply": "ack"},
    "hint": {"reply": "none"},
    "tail": {"reply": "stream"},
    "again": {"reply": "stream", "idempotent": True},
    "take": {"upload": True},
    "chat": {"reply": "stream", "upload": True},
    "every": {"mode": "broadcast"},
    "safe": {"idempotent": True},
    "one": {"concurrency": 1, "waiting_max": 2},
    "sure": {"reply": "ack", "idempotent": True, "concurrency": 2},
    "spread": {"policy": "hash", "idempotent": True},
    "hidden": {"internal": True},
    "closed": {"allow_from": ["store", "client4"]},
}
"""Commands by name, and what their services declare of them."""
PIECED = frozenset({"put.it", "safe"})
"""Commands whose value now and then comes in pieces."""
SAME_IDS = frozenset({"fetch", "slow", "$askr.ping"})
"""Commands whose ids a caller uses again: no item of theirs can come late."""
VERSIONS = ("1.9.0", "2.0.0", "2.1.4", "")
FITS = {
    "^2": {"2.0.0", "2.1.4"},
    "~2.1": {"2.1.4"},
    "2": {"2.0.0", "2.1.4"},
    "1.9.0": {"1.9.0"},
    "^3": set(),
}
"""Ranges of versions, and which versions they take."""
MODES = ("none", "ack", "value", "stream")


def declared(command: str) -> str:
    """Returns the reply mode of a command."""
    mode: str = SPECS[command].get("reply", "value")
    return mode


def agreed(command: str, wanted: str, *, is_silent: bool) -> str:
    """Returns the reply mode that a command has, asked for so."""
    if is_silent:
        return "none"
    return wanted or min("value", declared(command), key=MODES.index)


def is_survey(address: str, options: dict[str, Any]) -> bool:
    """Says whether several instances are asked."""
    selector = address.partition("@")[2]
    if "@" not in address:
        return bool(options.get("all")) or address.rpartition(".")[2] == "every"
    return bool(options.get("all")) or selector.startswith("*") or "," in selector


def is_meant(instance: Instance, address: str) -> bool:
    """Says whether an address means an instance."""
    whom, _, selector = address.partition("@")
    if not selector:
        service, _, command = address.partition(".")
        if address.lstrip(".") in SPECS:
            return address.lstrip(".") in instance.commands
        return instance.service.name == service and command in instance.commands
    selected, _, command = selector.partition(".") if selector[0] != "{" else _tagged(selector)
    if whom not in {"*", instance.service.name}:
        return False
    if command not in instance.commands:
        return False
    if selected.startswith("{"):
        tag, _, value = selected.strip("{}").partition("=")
        if tag == "version":
            return instance.provision.version in FITS[value]
        return instance.provision.tags.get(tag) == value
    return selected == "*" or instance.session.suffix in selected.split(",")


def _tagged(selector: str) -> tuple[str, str, str]:
    selected, _, command = selector.partition("}.")
    return selected + "}", ".", command


def is_let_in(instance: Instance, caller: Session, command: str) -> bool:
    """Says whether the rules of both sides let a caller ask an instance."""
    spec: CommandSpec = instance.commands[command]
    offer: Provision = instance.provision
    names = {*caller.instances, caller.name}
    if spec.internal and not caller.instances and caller.kind != "service":
        return False
    if any(allowed and not names & set(allowed) for allowed in (spec.allow_from, offer.allow_from)):
        return False
    wanted = [own.provision.connect_to for own in caller.instances.values()]
    return all(not names or instance.service.name in names for names in wanted)


def is_wanted(instance: Instance, options: dict[str, Any]) -> bool:
    """Says whether the caller's own choice leaves an instance in."""
    version = options.get("version")
    is_in_range = not version or instance.provision.version in FITS[version]
    if options.get("upload") == "payload" and not instance.session.takes_streams:
        return False
    return is_in_range and instance.session.suffix not in options.get("exclude", ())


def is_in_rotation(instance: Instance) -> bool:
    """Says whether an instance gets anything new."""
    return instance.state == "active" and not instance.ejected_until_us


def fits(instance: Instance, caller: Session, address: str, options: dict[str, Any]) -> bool:
    """Says whether an instance may get a command at all."""
    if not is_meant(instance, address):
        return False
    command = _command_of(address)
    return (
        is_in_rotation(instance)
        and is_wanted(instance, options)
        and is_let_in(instance, caller, command)
    )


def _command_of(address: str) -> str:
    return next(name for name in SPECS if address == name or address.endswith("." + name))
