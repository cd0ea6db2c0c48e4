"""The rules of the registry: what may be provided, changed and withdrawn."""

from __future__ import annotations

from askrd.core import commands, ejection, followers, job_queues, roster, waiting
from askrd.core.admission import check_flags, check_id
from askrd.core.choice import POLICIES
from askrd.core.course import MODES
from askrd.core.services import ANYTHING, Instance
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

_BROADCAST = "broadcast"
_WEIGHT_MAX = 1_000_000


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
    job_queues.check(session.in_open_workspace, provision)
    instance = session.in_open_workspace.destinations.join(session, provision)
    session.instances[provision.service] = instance
    job_queues.declare(board, instance)
    _name_sender(session)
    _restrict(session)
    _answer(board, session, frame, instance)
    _follow(board, session, provision)
    roster.announce_instance(board, instance, "joined")
    roster.announce_peer(board, session, "changed")
    _serve(board, session)


def update(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Replaces what an instance offers."""
    provision = _read(session, frame)
    instance = _mine(session, provision.service)
    job_queues.check(session.in_open_workspace, provision)
    session.in_open_workspace.destinations.change(instance, provision)
    job_queues.declare(board, instance)
    _restrict(session)
    _answer(board, session, frame, instance)
    _follow(board, session, provision)
    roster.announce_instance(board, instance, "changed")
    waiting.review(board, instance.service)
    _serve(board, session)


def withdraw(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Ends a provision: nothing new comes, what runs goes on."""
    check_id(session, frame.id)
    check_flags(frame, allowed=0)
    instance = _mine(session, load(Withdraw, frame.payload, "withdraw").service)
    remove(board, instance)
    _name_sender(session)
    _restrict(session)
    board.tell(session, Kind.OK, frame.id)
    roster.announce_peer(board, session, "changed")


def remove(board: Switchboard, instance: Instance) -> None:
    """Takes an instance out of the registry and fails what only it could have taken."""
    session = instance.session
    del session.instances[instance.service.name]
    session.in_open_workspace.destinations.leave(instance, board.now_us)
    roster.announce_instance(board, instance, "left")
    waiting.review(board, instance.service)
    for rested in ejection.keep_one(board, instance.service):
        _serve(board, rested.session)


def _serve(board: Switchboard, session: Session) -> None:
    """Gives what waited for somebody like ``session`` to it."""
    commands.look_for(board, session.in_open_workspace)
    waiting.serve(board, session)


def _restrict(session: Session) -> None:
    """Has what a session asks looked at rule by rule when one of its services says `connect_to`."""
    plain = session.in_open_workspace.destinations.plain
    session.routes = {} if session.is_restricted else plain


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
    _check_commands(session, provision)
    _check_modes(session, provision)
    _check_policy(provision.policy, f"'{provision.service}'")
    _check_rules(provision.allow_from, "allow_from")
    _check_rules(provision.connect_to, "connect_to")
    if provision.replaces:
        raise BadRequest("replaces is not built yet in this daemon; leave it out")
    if provision.concurrency < 0 or not 1 <= provision.weight <= _WEIGHT_MAX:
        raise BadRequest(f"concurrency is 0 or more, weight 1 to {_WEIGHT_MAX}")
    for emitted in provision.emits:
        if not _is_anything(session, roster.event_name(emitted)):
            check_subject(roster.event_name(emitted))
    for pattern in provision.listens:
        check_pattern(roster.event_name(pattern))
    for tag in provision.tags:
        check_word(tag, "tag")
    return provision


def _check_commands(session: Session, provision: Provision) -> None:
    seen: set[str] = set()
    for spec in provision.commands:
        if not _is_anything(session, spec.name):
            check_command(spec.name)
        if spec.name in seen:
            raise BadRequest(f"command '{spec.name}' is registered twice in one service")
        seen.add(spec.name)
        if len(provision.service) + 1 + len(spec.name) > NAME_BYTES_MAX:
            raise BadRequest(f"'{spec.name}': service.command has at most {NAME_BYTES_MAX} bytes")
        if not 0 <= spec.timeout_ms <= TTL_MS_MAX:
            raise BadRequest(f"'{spec.name}': timeout_ms is 0 to {TTL_MS_MAX}")
        _check_command(spec)


def _follow(board: Switchboard, session: Session, provision: Provision) -> None:
    """Has a session that emits what it cannot name told which events are wanted."""
    if ANYTHING in map(roster.event_name, provision.emits):
        followers.follow(board, session)


def _is_anything(session: Session, name: str) -> bool:
    """Says whether a peer of a tongue without a registry lists what it cannot name."""
    return name == ANYTHING and session.kind == "legacy"


def _check_command(spec: CommandSpec) -> None:
    """Returns when the daemon can carry out what a command declares.

    Raises:
        BadRequest: it cannot; the message says what it takes.
    """
    name = shown(spec.name)
    job_queues.check_command(spec)
    if spec.reply not in MODES:
        raise BadRequest(f"{name}: reply is one of {', '.join(MODES)}, not {shown(spec.reply)}")
    if spec.mode not in {"balanced", _BROADCAST}:
        raise BadRequest(f"{name}: mode is balanced or broadcast, not {shown(spec.mode)}")
    if spec.mode == _BROADCAST and (spec.reply == "stream" or spec.upload):
        raise BadRequest(f"{name}: a broadcast command has no streams")
    if spec.upload and spec.reply not in {"value", "stream"}:
        raise BadRequest(f"{name}: upload goes with reply value or stream, not {spec.reply}")
    _check_policy(spec.policy, name)
    _check_rules(spec.allow_from, "allow_from")
    if spec.concurrency < 0 or spec.waiting_max < 0:
        raise BadRequest(f"{name}: concurrency and waiting_max are 0 or more")


def _check_modes(session: Session, provision: Provision) -> None:
    """Returns when the other instances of the service declare its commands in the same modes.

    Raises:
        BadRequest: one of them does not; callers could not know what they get.
    """
    service = session.in_open_workspace.destinations.services.get(provision.service)
    instances = service.instances.values() if service is not None else ()
    others = [one for one in instances if one.session is not session]
    for spec in provision.commands:
        # All others agree already, so the newest that offers the command speaks for them.
        other = next((one for one in reversed(others) if spec.name in one.commands), None)
        if other is None:
            continue
        theirs = other.commands[spec.name]
        if _way(theirs) != _way(spec):
            raise BadRequest(
                f"'{spec.name}' is registered with {_way(spec)} here and with {_way(theirs)} by "
                f"{other.stamp.decode()}; one service has one way to answer a command"
            )


def _way(spec: CommandSpec) -> str:
    return f"mode={spec.mode} reply={spec.reply}" + (" queue=true" if spec.queue else "")


def _check_policy(policy: str, what: str) -> None:
    if policy not in POLICIES:
        raise BadRequest(f"{what}: policy is one of {', '.join(POLICIES)}, not {shown(policy)}")


def _check_rules(names: list[str], what: str) -> None:
    for name in names:
        check_word(name.removeprefix("role:"), what)
