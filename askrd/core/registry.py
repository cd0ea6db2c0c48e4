"""The rules of the registry: what may be provided, changed and withdrawn."""

from __future__ import annotations

from askrd.core import roster
from askrd.core.admission import check_flags, check_id
from askrd.core.commands import review_waiting, serve_waiting
from askrd.core.destinations import Instance
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.wire.bodies import CommandSpec, Provided, Provision, Withdraw, load
from askrd.wire.codec import Raw
from askrd.wire.errors import BadRequest, LimitExceeded, NotFound, PayloadTooLarge
from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import (
    COMMANDS_PER_SERVICE_MAX,
    NAME_BYTES_MAX,
    REGISTRY_BYTES_MAX,
    SERVICES_PER_SESSION_MAX,
    TTL_MS_MAX,
)
from askrd.wire.names import check_command, check_pattern, check_subject, check_word, shown

_BUILT = CommandSpec(name="")
_NOT_BUILT = (
    "reply",
    "mode",
    "policy",
    "concurrency",
    "internal",
    "queue",
    "serial",
    "allow_from",
)
"""Members of a command that this version takes only with their defaults."""


def provide(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Adds an instance of a service."""
    provision = _read(session, frame)
    if provision.service in session.instances:
        raise BadRequest(
            f"this session provides '{provision.service}' already; change it with update"
        )
    if len(session.instances) >= SERVICES_PER_SESSION_MAX:
        raise LimitExceeded(
            f"one session provides at most {SERVICES_PER_SESSION_MAX} services",
            details={"limit": "services_per_session_max"},
        )
    instance = session.in_open_workspace.destinations.join(session, provision)
    session.instances[provision.service] = instance
    _name_sender(session)
    _answer(board, session, frame, instance)
    roster.announce_instance(board, instance, "joined")
    roster.announce_peer(board, session, "changed")
    serve_waiting(board, session)


def update(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Replaces what an instance offers."""
    provision = _read(session, frame)
    instance = _mine(session, provision.service)
    session.in_open_workspace.destinations.change(instance, provision)
    _answer(board, session, frame, instance)
    roster.announce_instance(board, instance, "changed")
    review_waiting(board, instance.service)
    serve_waiting(board, session)


def withdraw(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Ends a provision: nothing new comes, what runs goes on."""
    check_id(session, frame.id)
    check_flags(frame, allowed=0)
    instance = _mine(session, load(Withdraw, frame.payload, "withdraw").service)
    remove(board, instance)
    _name_sender(session)
    board.tell(session, Kind.OK, frame.id)
    roster.announce_peer(board, session, "changed")


def remove(board: Switchboard, instance: Instance) -> None:
    """Takes an instance out of the registry and fails what only it could have taken."""
    session = instance.session
    del session.instances[instance.service.name]
    session.in_open_workspace.destinations.leave(instance, board.now_us)
    roster.announce_instance(board, instance, "left")
    review_waiting(board, instance.service)


def _mine(session: Session, service: str) -> Instance:
    instance = session.instances.get(service)
    if instance is None:
        raise NotFound(f"this session does not provide {shown(service)}")
    return instance


def _answer(board: Switchboard, session: Session, frame: Frame, instance: Instance) -> None:
    body = Provided(service=instance.service.name, instance=session.suffix)
    board.tell(session, Kind.PROVIDED, frame.id, body)


def _name_sender(session: Session) -> None:
    """Has the session speak in the name of its first service, or in its own."""
    name = next(iter(session.instances), session.name)
    session.origin = f"{name}@{session.suffix}".encode()


def _read(session: Session, frame: Frame) -> Provision:
    check_id(session, frame.id)
    check_flags(frame, allowed=0)
    if len(frame.payload) > REGISTRY_BYTES_MAX:
        raise PayloadTooLarge(
            f"a registration has at most {REGISTRY_BYTES_MAX} bytes, not {len(frame.payload)}",
            details={"bytes": len(frame.payload), "bytes_max": REGISTRY_BYTES_MAX},
        )
    provision = load(Provision, frame.payload, "a registration")
    check_word(provision.service, "service")
    if len(provision.commands) > COMMANDS_PER_SERVICE_MAX:
        raise LimitExceeded(
            f"a service has at most {COMMANDS_PER_SERVICE_MAX} commands",
            details={"limit": "commands_per_service_max"},
        )
    _check_commands(provision)
    if provision.policy != "round_robin" or provision.replaces:
        raise BadRequest("policy (but round_robin) and replaces are not built yet in this daemon")
    for emitted in provision.emits:
        check_subject(roster.event_name(emitted))
    for pattern in provision.listens:
        check_pattern(roster.event_name(pattern))
    for tag in provision.tags:
        check_word(tag, "tag")
    return provision


def _check_commands(provision: Provision) -> None:
    seen: set[str] = set()
    for spec in provision.commands:
        check_command(spec.name)
        if spec.name in seen:
            raise BadRequest(f"command '{spec.name}' is registered twice in one service")
        seen.add(spec.name)
        if len(provision.service) + 1 + len(spec.name) > NAME_BYTES_MAX:
            raise BadRequest(f"'{spec.name}': service.command has at most {NAME_BYTES_MAX} bytes")
        if not 0 <= spec.timeout_ms <= TTL_MS_MAX:
            raise BadRequest(f"'{spec.name}': timeout_ms is 0 to {TTL_MS_MAX}")
        for member in _NOT_BUILT:
            if getattr(spec, member) != getattr(_BUILT, member):
                raise BadRequest(
                    f"'{spec.name}': {member}={getattr(spec, member)!r} is not built yet in this "
                    f"daemon; it takes {getattr(_BUILT, member)!r}"
                )
