"""Services that the daemon dials, because they cannot dial in: `$askr.attach`, `detach`, `attached`."""

from __future__ import annotations

from askrd.core import records
from askrd.core.effects import Attachment, Dial, HangUp
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.addresses import parse_node_askr
from askrd.wire.bodies import Body, Json, dump, load
from askrd.wire.errors import AskrError, BadRequest, Conflict, Draining, LimitExceeded, NotFound
from askrd.wire.limits import ATTACHMENTS_MAX, COMMANDS_PER_SERVICE_MAX
from askrd.wire.names import check_command, check_subject, check_word, nearest, shown

VIA = "node-askr"
"""The door's word of a connection that the daemon dialled."""
SHELF = "attachments"
"""Where a store keeps them: the service's name -> what was asked for."""


class Attach(Body, forbid_unknown_fields=True):
    """Argument of `$askr.attach`, and what a store keeps of it.

    Attributes:
        url: `node-askr://HOST:PORT`.
        service: the name it gets.
        commands: what it takes; empty = anything that is asked by its name.
        events: what it emits; empty = whatever somebody listens to.
    """

    url: str
    service: str
    commands: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


class Detach(Body, forbid_unknown_fields=True):
    """Argument of `$askr.detach`."""

    service: str


def attach(board: Switchboard, session: Session, argument: Json) -> Json:
    """Has the daemon dial a node-askr service and offer it under a name; again and again."""
    workspace = session.in_open_workspace
    wanted = _read(workspace.name, load(Attach, dump(argument), "attach"))
    place = workspace.name, wanted.service
    known = board.attachments.get(place)
    if board.is_draining:
        raise Draining("the daemon is shutting down and dials nobody any more")
    if known == wanted and board.gate.is_settled:
        return _row(board, wanted)
    board.gate.check_room()
    if known is None:
        _check_room(board)
        board.attachments[place] = wanted
        board.effects.append(Dial(wanted))
        board.note("attached", service=wanted.service, address=wanted.address, by=session.peer_id)
    elif known != wanted:
        raise Conflict(
            f"{shown(wanted.service)} is attached to {known.address} already, or with other "
            f"commands or events. Nothing was changed; first: askr detach {wanted.service}",
            details={"url": _url(known)},
        )
    records.keep(board, workspace, SHELF, wanted.service, dump(_told(wanted)))
    return _row(board, wanted)


def detach(board: Switchboard, session: Session, argument: Json) -> Json:
    """Closes the connection to a service that was attached, and dials it no more."""
    name = load(Detach, dump(argument), "detach").service
    workspace = session.in_open_workspace
    known = board.attachments.get((workspace.name, name))
    if known is None:
        close = nearest(
            name, (service for space, service in board.attachments if space == workspace.name)
        )
        hint = f" Did you mean: {', '.join(close)}?" if close else ""
        raise NotFound(f"{shown(name)} is not attached.{hint}", details={"nearest": close})
    board.gate.check_room()
    del board.attachments[workspace.name, name]
    board.unreached.pop(known, None)
    board.effects.append(HangUp(known))
    board.note("detached", service=name, address=known.address, by=session.peer_id)
    records.keep(board, workspace, SHELF, name, None)
    return _row(board, known) | {"connected": False}


def attached(board: Switchboard, session: Session, _argument: Json) -> Json:
    """Lists what is attached in the caller's workspace."""
    workspace = session.in_open_workspace.name
    every = board.attachments.values()
    return [_row(board, one) for one in every if one.workspace == workspace]


def restore(board: Switchboard, workspace: Workspace, key: str, value: bytes) -> None:
    """Takes in a service that was kept, and has it dialled; one that cannot be read is noted."""
    try:
        kept = _read(workspace.name, load(Attach, value, "what was attached"))
        if kept.service != key:
            raise BadRequest(f"it names {shown(kept.service)}")
    except AskrError as error:
        board.note(
            "a kept row cannot be read; it is left alone", shelf=SHELF, key=key, why=error.message
        )
        return
    board.attachments[workspace.name, key] = kept
    board.effects.append(Dial(kept))


def _check_room(board: Switchboard) -> None:
    if len(board.attachments) >= ATTACHMENTS_MAX:
        raise LimitExceeded(
            f"{ATTACHMENTS_MAX} services are attached already; detach one first",
            details={"limit": "attachments_max"},
        )


def reached(board: Switchboard, attachment: Attachment, why_not: str) -> None:
    """Takes note that a service was connected to, or why it could not be."""
    if not why_not:
        board.unreached.pop(attachment, None)
    elif attachment in board.attachments.values():
        board.unreached[attachment] = why_not


def _read(workspace: str, told: Attach) -> Attachment:
    host, port = parse_node_askr(told.url)
    check_word(told.service, "service")
    if max(len(told.commands), len(told.events)) > COMMANDS_PER_SERVICE_MAX:
        raise LimitExceeded(
            f"a service has at most {COMMANDS_PER_SERVICE_MAX} commands and as many events",
            details={"limit": "commands_per_service_max"},
        )
    return Attachment(
        workspace=workspace,
        service=told.service,
        host=host,
        port=port,
        commands=tuple(dict.fromkeys(map(check_command, told.commands))),
        events=tuple(dict.fromkeys(map(check_subject, told.events))),
    )


def _told(attachment: Attachment) -> Attach:
    return Attach(
        url=_url(attachment),
        service=attachment.service,
        commands=attachment.commands,
        events=attachment.events,
    )


def _url(attachment: Attachment) -> str:
    return f"node-askr://{attachment.address}"


def _row(board: Switchboard, attachment: Attachment) -> dict[str, Json]:
    workspace = board.workspaces.get(attachment.workspace)
    service = workspace.destinations.services.get(attachment.service) if workspace else None
    instances = service.instances.values() if service is not None else ()
    row: dict[str, Json] = {
        "url": _url(attachment),
        "service": attachment.service,
        "commands": list(attachment.commands),
        "events": list(attachment.events),
        "connected": any(
            (one.session.via, one.session.address) == (VIA, attachment.address) for one in instances
        ),
    }
    why = board.unreached.get(attachment)
    return row | {"why": why} if why and not row["connected"] else row
