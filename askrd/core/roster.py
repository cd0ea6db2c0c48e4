"""Who is there: rows that describe peers and instances, and the news when they change."""

from __future__ import annotations

from askrd.core import commits, events
from askrd.core.services import Instance
from askrd.core.session import Session
from askrd.core.state import Entry
from askrd.core.switchboard import Switchboard
from askrd.core.watchers import OWN
from askrd.core.workspace import Workspace
from askrd.wire.bodies import EventSpec, Json, dump
from askrd.wire.frames import Coding, Kind
from askrd.wire.limits import ROSTER_BYTES


def peer_row(board: Switchboard, session: Session) -> dict[str, Json]:
    """Describes a peer; docs/PROTOCOL.md §10 names the members."""
    return {
        "id": session.peer_id,
        "kind": "service" if session.instances else session.kind or "terminal",
        "name": session.name,
        "via": session.via,
        "address": session.address,
        "services": sorted(session.instances),
        "since": (session.since_us + board.wall_offset_us) // 1000,
    }


def service_row(instance: Instance, *, with_internal: bool = False) -> dict[str, Json]:
    """Describes one instance of a service; docs/PROTOCOL.md §10 names the members."""
    provision = instance.provision
    return {
        "service": provision.service,
        "instance": instance.session.suffix,
        "version": provision.version,
        "state": instance.shown_state,
        "commands": [
            spec.name for spec in provision.commands if with_internal or not spec.internal
        ],
        "emits": [event_name(spec) for spec in provision.emits],
        "listens": [event_name(spec) for spec in provision.listens],
        "tags": provision.tags,
        "inflight": instance.in_flight,
    }


def event_name(spec: EventSpec | str) -> str:
    """Returns the event a provision names, with or without a schema."""
    return spec if isinstance(spec, str) else spec.event


def peer_key(session: Session) -> str:
    """Returns the key under which the state shows a peer."""
    return f"{OWN}/peers/{session.suffix}"


def instance_key(instance: Instance) -> str:
    """Returns the key under which the state shows an instance."""
    return f"{OWN}/services/{instance.service.name}/{instance.session.suffix}"


def peer_entry(board: Switchboard, session: Session) -> Entry:
    """Returns a peer's row as an entry of the state."""
    return _entry(board, session, peer_row(board, session))


def instance_entry(board: Switchboard, instance: Instance, *, with_internal: bool) -> Entry:
    """Returns an instance's row as an entry of the state, without what changes all the time."""
    row = service_row(instance, with_internal=with_internal)
    del row["inflight"]
    return _entry(board, instance.session, row)


def _entry(board: Switchboard, session: Session, row: dict[str, Json]) -> Entry:
    rev = session.in_open_workspace.state.rev
    since_ms = (session.since_us + board.wall_offset_us) // 1000
    return Entry(dump(row), Coding.JSON, rev, since_ms)


def announce_peer(board: Switchboard, session: Session, op: str) -> None:
    """Tells who watches that a peer has ``joined``, ``changed`` or ``left``."""
    workspace = session.in_open_workspace
    _announce(board, workspace, "peer", op, peer_row(board, session))
    if workspace.onlookers:
        entry = peer_entry(board, session) if op != "left" else None
        commits.show(board, workspace, peer_key(session), entry, None)


def announce_instance(board: Switchboard, instance: Instance, op: str) -> None:
    """Tells who watches that an instance has ``joined``, ``changed`` or ``left``."""
    workspace = instance.session.in_open_workspace
    full = service_row(instance, with_internal=True)
    _announce(board, workspace, "service", op, service_row(instance), full)
    if workspace.onlookers:
        entry = for_services = None
        if op != "left":
            entry = instance_entry(board, instance, with_internal=False)
            for_services = instance_entry(board, instance, with_internal=True)
        commits.show(board, workspace, instance_key(instance), entry, for_services)


def _announce(
    board: Switchboard,
    workspace: Workspace,
    what: str,
    op: str,
    row: dict[str, Json],
    for_services: dict[str, Json] | None = None,
) -> None:
    for watcher in workspace.roster:
        shown = for_services if for_services is not None and watcher.is_service else row
        board.tell(watcher, Kind.ROSTER, 0, {"changes": [{"op": op, what: shown}]})
    if not workspace.subscriptions.is_empty:
        events.publish(board, workspace, f"$askr.{what}.{op}", row)


def send_full(board: Switchboard, session: Session) -> None:
    """Sends a session the whole view; changes follow from now on.

    What does not fit into one frame of `ROSTER_BYTES` follows at once, as joins.
    """
    workspace = session.in_open_workspace
    workspace.roster[session] = None
    rows = [("peer", row) for row in peers(board, workspace)]
    rows += [("service", row) for row in services(workspace, session)]
    first, *others = _batches(rows)
    body: Json = {"full": True, "peers": [], "services": []}
    for what, row in first:
        body[what + "s"].append(row)
    board.tell(session, Kind.ROSTER, 0, body)
    for batch in others:
        changes = [{"op": "joined", what: row} for what, row in batch]
        board.tell(session, Kind.ROSTER, 0, {"changes": changes})


def _batches(rows: list[tuple[str, Json]]) -> list[list[tuple[str, Json]]]:
    """Parts rows so that each part is about one frame; the first part may be empty."""
    batches: list[list[tuple[str, Json]]] = [[]]
    room = ROSTER_BYTES
    for row in rows:
        size = len(dump(row[1]))
        if size > room and batches[-1]:
            batches.append([])
            room = ROSTER_BYTES
        room -= size
        batches[-1].append(row)
    return batches


def peers(board: Switchboard, workspace: Workspace) -> list[dict[str, Json]]:
    """Describes every peer of a workspace, in the order they joined."""
    sessions = workspace.sessions.values()
    return [peer_row(board, session) for session in sessions if not session.is_away]


def services(workspace: Workspace, viewer: Session) -> list[dict[str, Json]]:
    """Describes every instance of a workspace, by service and in the order they joined.

    Internal commands are shown to services only.
    """
    found = workspace.destinations.services
    return [
        service_row(instance, with_internal=viewer.is_service)
        for name in sorted(found)
        for instance in found[name].instances.values()
    ]
