"""Whether an instance may get a command, and if not, why: read by routing and by `$askr.why` alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askrd.core.session import Phase, Session
from askrd.wire.bodies import CallOptions, CommandSpec
from askrd.wire.limits import ASKED_MAX
from askrd.wire.names import Address
from askrd.wire.ranges import parse_range

if TYPE_CHECKING:
    from askrd.core.services import Instance

VERSION_TAG = "version"
"""In a `{tag=value}` selector: not a tag but a range of the service's version."""
BARRED = frozenset(
    {"not_offered", "not_addressed", "excluded", "version", "too_large", "forbidden"}
)
"""Verdicts that waiting does not change."""
OUT_OF_ROTATION = frozenset({"disabled", "draining", "ejected"})
"""Verdicts of an instance that gets nothing new until it is enabled, or comes back by itself."""
Verdict = tuple[str, str]
"""A word, and the sentence that explains it."""


def standing(instance: Instance, address: Address) -> Verdict | None:
    """Says why ``instance`` is none whom ``address`` means now, or None when it is one.

    What it looks at changes only with the registry, so that the result may be remembered.
    """
    if not instance.offers(address.command):
        return "not_offered", f"it does not offer '{address.command}'"
    if address.instances and instance.session.suffix not in address.instances:
        return "not_addressed", f"the address names {', '.join(address.instances)}"
    for tag, value in address.tags:
        miss = _tag_miss(instance, tag, value)
        if miss is not None:
            return miss
    if instance.state == "disabled":
        return "disabled", "it was disabled; put it back: askr enable"
    if instance.state == "draining":
        return "draining", "it is draining and takes nothing new"
    if instance.is_ejected:
        return "ejected", f"it failed {instance.failures} commands in a row and rests for a while"
    return None


def _tag_miss(instance: Instance, tag: str, value: str) -> Verdict | None:
    if tag == VERSION_TAG:
        return _version_miss(instance, value)
    has = instance.provision.tags.get(tag)
    if has == value:
        return None
    return "not_addressed", f"its tag {tag} is {'not set' if has is None else has}, not {value}"


def _version_miss(instance: Instance, wanted: str) -> Verdict | None:
    version = instance.provision.version
    if parse_range(wanted).fits(version):
        return None
    return "version", f"its version is {version or 'not told'}, which {wanted} does not fit"


def hindrance(
    instance: Instance, command: str, caller: Session, options: CallOptions
) -> Verdict | None:
    """Says why ``instance`` cannot get a command of ``caller`` now, or None when it can.

    It is one that the address means. Barred for good comes before what may pass.
    """
    return barred(instance, command, caller, options) or busy(instance, command)


def barred(
    instance: Instance, command: str, caller: Session, options: CallOptions
) -> Verdict | None:
    """Says why ``instance`` may not get a command of ``caller``, however long it waits."""
    if instance.session.suffix in options.exclude:
        return "excluded", "the caller excluded it"
    if options.version:
        miss = _version_miss(instance, options.version)
        if miss is not None:
            return miss
    if options.upload == "payload" and not instance.session.takes_streams:
        return "too_large", "the payload is larger than one frame may be, and it takes no streams"
    rule = forbidding_rule(instance, instance.commands[command], caller)
    return ("forbidden", rule) if rule else None


def busy(instance: Instance, command: str) -> Verdict | None:
    """Says why ``instance`` cannot take a command just now."""
    session = instance.session
    if session.is_unresponsive or session.phase is not Phase.OPEN:
        return "unresponsive", "it has been silent too long"
    if not session.is_ready:
        return "paused", "it does not read what it was sent"
    return saturated(instance, command)


def saturated(instance: Instance, command: str) -> Verdict | None:
    """Says why ``instance`` has no room for one more command, or None when it has."""
    session = instance.session
    if len(session.asked) >= ASKED_MAX:
        return "saturated", f"saturated {len(session.asked)}/{ASKED_MAX}: so many are unanswered"
    most = instance.commands[command].concurrency
    running = instance.running.get(command, 0)
    if most and running >= most:
        return "saturated", f"saturated {running}/{most}"
    most = instance.provision.concurrency
    if most and instance.load >= most:
        return "saturated", f"saturated {instance.load}/{most} (all its commands together)"
    return None


def forbidding_rule(instance: Instance, spec: CommandSpec, caller: Session) -> str:
    """Returns the rule by which ``caller`` may not ask for ``spec``, as a sentence; empty = none."""
    lists = (spec.allow_from, instance.provision.allow_from)
    return rule_against(caller, instance.service.name, spec.name, lists, is_internal=spec.internal)


def rule_against(
    caller: Session,
    service: str,
    command: str,
    lists: tuple[list[str], ...],
    *,
    is_internal: bool,
) -> str:
    """Returns the rule by which ``caller`` may not ask for a command, as a sentence; empty = none.

    Args:
        caller: who asks.
        service: whom.
        command: what.
        lists: each names the services that may, unless it is empty.
        is_internal: whether only services may.
    """
    if is_internal and not caller.is_service:
        return f"forbidden by rule: '{command}' is internal, and {caller.peer_id} is a terminal"
    names = caller.service_names
    for allowed in lists:
        if allowed and not any(name in allowed for name in names):
            return (
                f"forbidden by rule: allow_from of {service} lets in {', '.join(allowed)}, "
                f"not {', '.join(names)}"
            )
    for own in caller.instances.values():
        wanted = own.provision.connect_to
        if wanted and service not in wanted:
            return (
                f"forbidden by rule: connect_to of {own.service.name} names {', '.join(wanted)}, "
                f"not {service}"
            )
    return ""
