"""Taking instances out of rotation and putting them back: `$askr.disable`, `enable` and `drain`."""

from __future__ import annotations

from askrd.core import commands, ejection, roster, waiting
from askrd.core.services import Instance
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.wire.bodies import Json
from askrd.wire.errors import BadRequest, NoInstance, ServiceUnknown
from askrd.wire.names import nearest, shown


def disable(board: Switchboard, session: Session, argument: Json) -> Json:
    """Takes an instance, or all of a service, out of rotation until it is enabled."""
    return _change(board, session, argument, "disabled")


def drain(board: Switchboard, session: Session, argument: Json) -> Json:
    """Lets an instance, or all of a service, finish what it has and gives it nothing new."""
    return _change(board, session, argument, "draining")


def enable(board: Switchboard, session: Session, argument: Json) -> Json:
    """Puts an instance, or all of a service, back into rotation."""
    return _change(board, session, argument, "active")


def _change(board: Switchboard, session: Session, argument: Json, state: str) -> Json:
    target = argument.get("target") if isinstance(argument, dict) else argument
    if not isinstance(target, str) or not target:
        raise BadRequest('this takes {"target": "agent"} or {"target": "agent@k3Tz9a"}')
    meant = _meant(session, target)
    changed = [instance for instance in meant if instance.state != state or instance.is_ejected]
    for instance in changed:
        instance.state = state
        if state == "active":
            instance.ejected_until_us = instance.failures = instance.ejections = 0
    workspace = session.in_open_workspace
    if changed:
        workspace.destinations.forget_routes()
    for instance in changed:
        roster.announce_instance(board, instance, "changed")
        board.note("rotation", instance=instance.stamp.decode(), state=state, by=session.peer_id)
    if changed and state == "active":
        commands.look_for(board, workspace)
        for instance in changed:
            waiting.serve(board, instance.session)
    elif changed:
        waiting.review(board, changed[0].service)
        for rested in ejection.keep_one(board, changed[0].service):
            waiting.serve(board, rested.session)
    return {"target": target, "instances": [roster.service_row(one) for one in meant]}


def _meant(session: Session, target: str) -> list[Instance]:
    name, _, suffix = target.partition("@")
    services = session.in_open_workspace.destinations.services
    service = services.get(name)
    if service is None:
        close = nearest(name, services)
        hint = f" Did you mean: {', '.join(close)}?" if close else ""
        raise ServiceUnknown(f"no service {shown(name)}.{hint}", details={"nearest": close})
    if not suffix:
        return list(service.instances.values())
    if suffix not in service.instances:
        running = sorted(service.instances)
        raise NoInstance(
            f"{shown(name)} has no instance {shown(suffix)}; running: {', '.join(running)}",
            details={"instances": running},
        )
    return [service.instances[suffix]]
