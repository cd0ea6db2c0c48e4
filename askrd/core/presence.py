"""Who is there, as state: keys below `$askr/` that mirror the registry and are made on demand."""

from __future__ import annotations

from collections.abc import Iterator

from askrd.core import roster
from askrd.core.session import Session
from askrd.core.state import Entry
from askrd.core.switchboard import Switchboard
from askrd.wire.names import prefix_matches


def find(board: Switchboard, viewer: Session, key: str) -> Entry | None:
    """Returns what one of the daemon's own keys is now; None when there is no such key."""
    workspace = viewer.in_open_workspace
    _, _, rest = key.partition("/")
    part, _, name = rest.partition("/")
    if part == "peers":
        session = workspace.sessions.get(name)
        if session is None or session.is_away:
            return None
        return roster.peer_entry(board, session)
    service_name, _, suffix = name.partition("/")
    owner = workspace.sessions.get(suffix)
    instance = owner.instances.get(service_name) if owner is not None else None
    if part != "services" or instance is None:
        return None
    return roster.instance_entry(board, instance, with_internal=viewer.is_service)


def below(board: Switchboard, viewer: Session, prefix: str) -> Iterator[tuple[str, Entry]]:
    """Yields the daemon's own keys at or below ``prefix``, by key."""
    workspace = viewer.in_open_workspace
    rows: dict[str, Entry] = {}
    for session in workspace.sessions.values():
        key = roster.peer_key(session)
        if not session.is_away and prefix_matches(prefix, key):
            rows[key] = roster.peer_entry(board, session)
        for instance in session.instances.values():
            key = roster.instance_key(instance)
            if prefix_matches(prefix, key):
                entry = roster.instance_entry(board, instance, with_internal=viewer.is_service)
                rows[key] = entry
    yield from sorted(rows.items())
