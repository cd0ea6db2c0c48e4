"""What the daemon says about itself and its workspace: the values of `$askr.*` commands."""

from __future__ import annotations

from collections.abc import Callable

from askrd.core import attachments, job_reports, log_commands, roster, rotation
from askrd.core.routes import Route
from askrd.core.services import Instance, Service
from askrd.core.session import Session
from askrd.core.statistics import CommandStatistics
from askrd.core.switchboard import Switchboard
from askrd.core.why import why
from askrd.core.workspace import Workspace
from askrd.wire.bodies import EventSpec, Json
from askrd.wire.errors import AskrError, BadRequest, Forbidden
from askrd.wire.handshake import VERSIONS
from askrd.wire.names import nearest

GUARANTEES = {
    "command": {
        "delivery": "at most once; exactly one outcome",
        "order": "per caller and instance, as sent",
        "instance_lost": "fails with instance_lost at once; given once to another instance when it "
        "is idempotent or was not delivered",
        "daemon_restarted": "fails with connection_lost; outcome unknown",
    },
    "job": {
        "delivery": "at least once; exactly one end",
        "order": "per queue, as asked; others go ahead of one that waits to be tried again",
        "instance_lost": "given to another instance at once",
        "daemon_restarted": "goes on when the data directory is kept; what ran begins anew",
    },
    "event": {
        "delivery": "at most once; loss is announced by a gap",
        "order": "per publisher",
        "instance_lost": "nothing more comes",
        "daemon_restarted": "listeners hear what is retained, and what comes after they are back",
    },
}
"""What a user may rely on, in words."""


def ping(board: Switchboard, _session: Session, _argument: Json) -> Json:
    """Says who answers."""
    daemon = board.daemon
    return {
        "daemon": daemon.id,
        "version": daemon.version,
        "protocol": f"askr/{VERSIONS[-1]}",
        "build": daemon.build,
        "time": board.now_ms,
    }


def peers(board: Switchboard, session: Session, _argument: Json) -> Json:
    """Lists the peers of the caller's workspace."""
    return roster.peers(board, session.in_open_workspace)


def services(_board: Switchboard, session: Session, _argument: Json) -> Json:
    """Lists the instances in the caller's workspace."""
    return roster.services(session.in_open_workspace, session)


def describe(board: Switchboard, session: Session, argument: Json) -> Json:
    """Describes a service, a command or an event.

    Raises:
        AskrError: the target is none of them.
    """
    target = argument.get("target") if isinstance(argument, dict) else argument
    if not isinstance(target, str) or not target:
        raise BadRequest('describe takes {"target": "agent"}, an address or an event')
    workspace = session.in_open_workspace
    if target in COMMANDS:
        return _describe_own(board, target)
    service = workspace.destinations.services.get(target)
    if service is not None:
        return _describe_service(target, service, session)
    event = _find_event(workspace, target)
    if event is not None:
        return event
    try:
        route = workspace.destinations.route_for(target.encode(), board.now_us)
    except AskrError as error:
        if "." not in target:
            error.details["nearest"] = _nearest_thing(workspace, target)
        raise
    if route.spec.internal and not session.is_service:
        raise Forbidden(f"{target} is internal: services may ask for it, terminals may not")
    return _describe_command(workspace, target, route)


def _nearest_thing(workspace: Workspace, target: str) -> list[str]:
    known = set(workspace.destinations.services)
    for service in workspace.destinations.services.values():
        known |= service.command_names()
    return nearest(target, known)


def _describe_command(workspace: Workspace, target: str, route: Route) -> Json:
    canonical, members = route.name.decode(), route.members
    spec = members[-1].commands[canonical.partition(".")[2]]
    return {
        "target": target,
        "command": canonical,
        "doc": spec.doc,
        "reply": spec.reply,
        "timeout_ms": route.timeout_ms,
        "idempotent": spec.idempotent,
        "mode": spec.mode,
        "policy": route.policy,
        "concurrency": spec.concurrency,
        "internal": spec.internal,
        "serial": spec.serial,
        "upload": spec.upload,
        "allow_from": spec.allow_from,
        "request": spec.request,
        "response": spec.response,
        "queue": spec.queue,
        **job_reports.described(workspace, canonical, spec),
        "guarantees": GUARANTEES["job" if spec.queue else "command"],
        "instances": [roster.service_row(member) for member in members],
        "statistics": _counters(route.statistics, _running(workspace).get(canonical, 0)),
    }


def _describe_own(board: Switchboard, target: str) -> Json:
    return {
        "target": target,
        "command": target,
        "doc": (COMMANDS[target].__doc__ or "").partition("\n")[0],
        "reply": "value",
        "timeout_ms": board.limits.command_timeout_ms,
        "idempotent": True,
        "request": None,
        "response": None,
        "guarantees": GUARANTEES["command"],
        "instances": [],
    }


def _describe_service(target: str, service: Service, viewer: Session) -> Json:
    instances = list(service.instances.values())
    newest = instances[-1].provision
    return {
        "target": target,
        "doc": newest.doc,
        "reply": None,
        "timeout_ms": None,
        "request": None,
        "response": None,
        "guarantees": GUARANTEES["command"],
        "instances": [roster.service_row(instance) for instance in instances],
        "version": newest.version,
        "tags": newest.tags,
        "commands": [
            {"name": spec.name, "doc": spec.doc, "request": spec.request, "response": spec.response}
            for spec in newest.commands
            if viewer.is_service or not spec.internal
        ],
        "emits": [_event_row(spec) for spec in newest.emits],
        "listens": [_event_row(spec) for spec in newest.listens],
    }


def _event_row(spec: EventSpec | str) -> Json:
    if isinstance(spec, str):
        return {"event": spec, "doc": "", "schema": None}
    return {"event": spec.event, "doc": spec.doc, "schema": spec.schema}


def _find_event(workspace: Workspace, target: str) -> Json:
    emitters: list[Instance] = []
    row = None
    for service in workspace.destinations.services.values():
        for instance in service.instances.values():
            for spec in instance.provision.emits:
                if roster.event_name(spec) == target:
                    row = _event_row(spec)
                    emitters.append(instance)
    if row is None:
        return None
    return {
        "target": target,
        "doc": row["doc"],
        "reply": None,
        "timeout_ms": None,
        "request": row["schema"],
        "response": None,
        "guarantees": GUARANTEES["event"],
        "instances": [roster.service_row(instance) for instance in emitters],
        "event": target,
        "schema": row["schema"],
    }


def statistics(board: Switchboard, session: Session, _argument: Json) -> Json:
    """Returns the counters of the daemon and of the caller's workspace."""
    workspace = session.in_open_workspace
    return {
        "daemon": {
            "id": board.daemon.id,
            "version": board.daemon.version,
            "build": board.daemon.build,
            "epoch": board.daemon.epoch,
            "workspace": workspace.name,
            "uptime_ms": (board.now_us - board.started_us) // 1000,
        },
        "totals": _totals(board),
        "commands": _commands(workspace),
        "events": [
            {
                "event": subject.decode("utf-8", "replace"),
                "count": count,
                "listeners": _hearers(workspace, subject.decode()),
            }
            for subject, count in sorted(workspace.subscriptions.counts().items())
        ],
        "groups": [
            {
                "group": group.name,
                "pattern": group.pattern,
                "policy": group.policy,
                "members": len(group.instances),
                "events": group.events,
            }
            for group in workspace.groups.values()
        ],
        "memory": {"recent": len(workspace.recent), "retained": len(workspace.retained)},
        "peers": [_peer(board, each) for each in workspace.sessions.values() if not each.is_away],
        "queues": [
            {"service": s.name, "waiting": s.waiting_count, "waiting_bytes": s.waiting_bytes}
            for s in workspace.destinations.services.values()
            if s.waiting_count
        ],
        "jobs": job_reports.queues(board, session, None),
    }


def _hearers(workspace: Workspace, subject: str) -> int:
    audience = workspace.subscriptions.match(subject)
    return len(audience.listeners) + len(audience.others)


def _totals(board: Switchboard) -> dict[str, Json]:
    spaces = list(board.workspaces.values())
    counted = [s for space in spaces for s in space.destinations.statistics.values()]
    waiting = [s for space in spaces for s in space.destinations.services.values()]
    live = board.sessions
    totals = board.totals.as_json()
    totals["dropped"] += sum(session.outbox.dropped for session in live)
    departed = totals.pop("departed_calls")
    return totals | {
        "commands": departed + sum(each.calls for each in counted),
        "in_flight": sum(len(session.asking) for session in live),
        "waiting": sum(service.waiting_count for service in waiting),
        "bytes_in": sum(session.bytes_in for session in live),
        "sessions": len(live),
    }


def _commands(workspace: Workspace) -> list[dict[str, Json]]:
    running = _running(workspace)
    return [
        {"name": name, **_counters(counted, running.get(name, 0))}
        for name, counted in sorted(workspace.destinations.statistics.items())
        if counted.calls or counted.errors  # asking why counts nothing
    ]


def _running(workspace: Workspace) -> dict[str, int]:
    """Counts the unanswered commands by canonical address."""
    running: dict[str, int] = {}
    for session in workspace.sessions.values():
        for entry in session.asked.values():
            name = entry[4].name.decode()
            running[name] = running.get(name, 0) + 1
    return running


def _counters(counted: CommandStatistics, in_flight: int) -> dict[str, Json]:
    return {
        "calls": counted.calls,
        "errors": counted.errors,
        "in_flight": in_flight,
        "p50_ms": counted.quantile_ms(0.5),
        "p95_ms": counted.quantile_ms(0.95),
        "p99_ms": counted.quantile_ms(0.99),
    }


def _peer(board: Switchboard, session: Session) -> dict[str, Json]:
    row = roster.peer_row(board, session)
    frames, size = session.outbox.waiting
    return {
        "id": row["id"],
        "kind": row["kind"],
        "name": row["name"],
        "via": row["via"],
        "in_flight": len(session.asking),
        "outbox_frames": frames,
        "outbox_bytes": size,
        "dropped": session.outbox.dropped,
    }


Answer = Callable[[Switchboard, Session, Json], Json]

COMMANDS: dict[str, Answer] = {
    "$askr.attach": attachments.attach,
    "$askr.attached": attachments.attached,
    "$askr.describe": describe,
    "$askr.detach": attachments.detach,
    "$askr.disable": rotation.disable,
    "$askr.drain": rotation.drain,
    "$askr.enable": rotation.enable,
    "$askr.peers": peers,
    "$askr.ping": ping,
    "$askr.services": services,
    "$askr.stats": statistics,
    "$askr.why": why,
    **job_reports.COMMANDS,
    **log_commands.COMMANDS,
}
"""Every command of the daemon, by address."""
