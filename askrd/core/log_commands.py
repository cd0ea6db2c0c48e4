"""Logs as they are created, shown and removed: `$askr.logs.*`, and what a store kept of them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from askrd.core import log_readers, log_rules, log_writes, records
from askrd.core.consumers import Consumer
from askrd.core.log_records import Recorder
from askrd.core.log_writes import CONSUMERS, DEFINITIONS, EVENTS, Kept
from askrd.core.logs import Log
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import Body, Json, dump, load
from askrd.wire.errors import Conflict, LimitExceeded
from askrd.wire.limits import LOGS_BYTES_MAX, LOGS_MAX
from askrd.wire.logs import LogDefinition, check_definition, read_definition
from askrd.wire.names import shown


class _Named(Body, forbid_unknown_fields=True):
    """Which log."""

    name: str


class _Purged(Body, forbid_unknown_fields=True):
    """Which log, and up to which event; None = all that it has now."""

    name: str
    upto: int | None = None


class _Place(Body, forbid_unknown_fields=True):
    """Which consumer of which log."""

    name: str
    consumer: str


# ── commands ──────────────────────────────────────────────────────────────────────────────────


def create(board: Switchboard, session: Session, argument: Json) -> Json:
    """Creates a log, or gives one that is there another definition."""
    board.gate.check_room()
    return _row(define(board, session.in_open_workspace, read_definition(dump(argument))))


def list_(_board: Switchboard, session: Session, _argument: Json) -> Json:
    """Lists the logs of the caller's workspace, by name."""
    return [_row(log) for log in session.in_open_workspace.logs]


def show(_board: Switchboard, session: Session, argument: Json) -> Json:
    """Shows one log."""
    return _row(_named(session, argument))


def remove(board: Switchboard, session: Session, argument: Json) -> Json:
    """Removes a log that nobody reads, with its events and its consumers."""
    board.gate.check_room()
    log = _named(session, argument)
    workspace = session.in_open_workspace
    readers = len(log.readers) + sum(len(each.members) for each in log.consumers.values())
    if readers:
        raise Conflict(
            f"log {shown(log.name)} is read by {readers} subscriptions; end them first",
            details={"readers": readers},
        )
    _listen(workspace, log, ())
    for consumer in list(log.consumers.values()):
        log_readers.forget(board, log, consumer)
        log_writes.forget_consumer(board, workspace, log, consumer)
    log.purge(log.last)
    log.is_removed = True
    log_writes.save(board, workspace, log)
    log_writes.trim(board, workspace, log)
    log_writes.arm_sweep(board, workspace, log)
    return {"name": log.name}


def purge(board: Switchboard, session: Session, argument: Json) -> Json:
    """Has a log hold none of its events, or none up to a number."""
    board.gate.check_room()
    wanted = load(_Purged, dump(argument), "what to purge")
    workspace = session.in_open_workspace
    log = log_rules.find(workspace, wanted.name)
    count = log.purge(log.last if wanted.upto is None else wanted.upto)
    if count:
        log_writes.save(board, workspace, log)
        log_writes.trim(board, workspace, log)
    return {"name": log.name, "purged": count}


def consumers(_board: Switchboard, session: Session, argument: Json) -> Json:
    """Lists the consumers of a log, by name."""
    log = _named(session, argument)
    return [_consumer_row(log, consumer) for _, consumer in sorted(log.consumers.items())]


def remove_consumer(board: Switchboard, session: Session, argument: Json) -> Json:
    """Forgets a consumer that nobody reads for."""
    board.gate.check_room()
    wanted = load(_Place, dump(argument), "which consumer")
    workspace = session.in_open_workspace
    log = log_rules.find(workspace, wanted.name)
    consumer = log_rules.find_consumer(log, wanted.consumer)
    if consumer.members:
        raise Conflict(
            f"consumer {shown(consumer.name)} has {len(consumer.members)} subscriptions; "
            "end them first",
            details={"members": len(consumer.members)},
        )
    log_readers.forget(board, log, consumer)
    log_writes.forget_consumer(board, workspace, log, consumer)
    return {"name": log.name, "consumer": consumer.name}


COMMANDS: dict[str, Callable[[Switchboard, Session, Json], Json]] = {
    "$askr.logs.consumers": consumers,
    "$askr.logs.create": create,
    "$askr.logs.list": list_,
    "$askr.logs.purge": purge,
    "$askr.logs.remove": remove,
    "$askr.logs.remove_consumer": remove_consumer,
    "$askr.logs.show": show,
}
"""The daemon's commands about logs, by address."""


def _named(session: Session, argument: Json) -> Log:
    wanted = load(_Named, dump(argument), "which log")
    return log_rules.find(session.in_open_workspace, wanted.name)


def _row(log: Log) -> dict[str, Json]:
    definition: dict[str, Json] = msgspec.to_builtins(log.definition)
    return definition | {
        "events": len(log),
        "events_bytes": log.size,
        "first_seq": log.first,
        "last_seq": log.last,
        "refused": log.refused,
        "consumers": len(log.consumers),
        "readers": len(log.readers),
    }


def _consumer_row(log: Log, consumer: Consumer) -> dict[str, Json]:
    held = sum(each.reader is not None for each in consumer.unacked.values())
    behind = log.count_after(consumer.position)
    return {
        "consumer": consumer.name,
        "pattern": consumer.pattern,
        "seq": consumer.acked,
        "waiting": behind + len(consumer.unacked) - held,
        "unacked": held,
        "members": len(consumer.members),
        "redelivered": consumer.redelivered,
        "dead": consumer.dead,
    }


# ── beginning to be ───────────────────────────────────────────────────────────────────────────


def define(board: Switchboard, workspace: Workspace, definition: LogDefinition) -> Log:
    """Has a log be as ``definition`` says, whether it is there or not.

    Raises:
        AskrError: it cannot be; nothing was done.
    """
    logs = workspace.logs
    log = logs.get(definition.name)
    others = [each for each in logs if each is not log]
    if len(others) >= LOGS_MAX:
        raise LimitExceeded(
            f"this workspace has {LOGS_MAX} logs already", details={"limit": "logs_max"}
        )
    if sum(each.definition.bytes for each in others) + definition.bytes > LOGS_BYTES_MAX:
        raise LimitExceeded(
            f"the logs of a workspace may hold {LOGS_BYTES_MAX} bytes together; give this one, "
            "or another one, fewer",
            details={"limit": "logs_bytes_max"},
        )
    if log is None:
        log = Log(workspace.name, definition)
        _take_over(board, workspace, log)
        logs.by_name[log.name] = log
        _listen(workspace, log, definition.patterns)
    elif log.definition == definition:
        return log
    else:
        _listen(workspace, log, definition.patterns)
        log.definition = definition
    log_writes.save(board, workspace, log)
    log_writes.trim(board, workspace, log)
    return log


def _take_over(board: Switchboard, workspace: Workspace, log: Log) -> None:
    """Has a new log go on from one of its name whose rows are still to be forgotten."""
    before = workspace.logs.by_name.get(log.name)
    if before is not None:
        log.last = log.safe = log.gone = log.purged = before.last
        log.doomed = before.doomed
        board.alarms.disarm(log_writes.sweeping(log))


def _listen(workspace: Workspace, log: Log, patterns: list[str] | tuple[()]) -> None:
    """Has a log hear other patterns than before."""
    if log.recorder is None:
        log.recorder = Recorder(workspace, log)
    for pattern in log.heard:
        workspace.subscriptions.remove(pattern, log.recorder)
    for pattern in patterns:
        workspace.subscriptions.add(pattern, log.recorder)
    log.heard = list(patterns)


# ── what was kept ─────────────────────────────────────────────────────────────────────────────


def take_event(board: Switchboard, workspace: Workspace, key: str, value: bytes) -> None:
    """Takes in an event that was kept; its log is known only afterwards."""
    name, _, seq = key.partition("/")
    workspace.logs.loose_events.setdefault(name, []).append((int(seq, 16), value))
    _look_for_strays(board, workspace)


def take_consumer(board: Switchboard, workspace: Workspace, key: str, value: bytes) -> None:
    """Takes in a consumer that was kept; its log is known only afterwards."""
    name, _, consumer = key.partition("/")
    workspace.logs.loose_consumers.setdefault(name, []).append((consumer, value))
    _look_for_strays(board, workspace)


def take_definition(board: Switchboard, workspace: Workspace, name: str, value: bytes) -> None:
    """Takes in a log that was kept, with the events and consumers that are known of it."""
    kept = load(Kept, value, "a log that was kept")
    log = workspace.logs.by_name[name] = Log(workspace.name, kept.definition)
    log.is_removed, log.last, log.purged = kept.is_removed, kept.last, kept.purged
    for seq, frame in sorted(workspace.logs.loose_events.pop(name, [])):
        if seq <= kept.purged or kept.is_removed:
            log.doomed.append(seq)
        else:
            log.restore(seq, frame)
    for consumer, row in workspace.logs.loose_consumers.pop(name, []):
        log.consumers[consumer] = Consumer.restored(consumer, row)
        log.last = max(log.last, log.consumers[consumer].position)
    log.safe, log.gone = log.last, log.first - 1
    if kept.is_removed:
        log_writes.arm_sweep(board, workspace, log)
    else:
        _listen(workspace, log, check_definition(kept.definition).patterns)
        log_writes.trim(board, workspace, log)


def _look_for_strays(board: Switchboard, workspace: Workspace) -> None:
    """Has rows be forgotten later on whose log was not kept."""
    key = "log strays", workspace.name
    board.alarms.arm(key, board.now_us, lambda board: _forget_strays(board, workspace))


def _forget_strays(board: Switchboard, workspace: Workspace) -> None:
    logs = workspace.logs
    for name, consumers in logs.loose_consumers.items():
        for consumer, _ in consumers:
            records.keep(board, workspace, CONSUMERS, f"{name}/{consumer}", None)
    for name, rows in logs.loose_events.items():
        log = logs.by_name[name] = Log(workspace.name, LogDefinition(name=name, patterns=["**"]))
        log.is_removed = True
        log.doomed.extend(seq for seq, _ in rows)
        log.last = max(log.doomed)
        log_writes.arm_sweep(board, workspace, log)
    logs.loose_consumers.clear()
    logs.loose_events.clear()


SHELVES = {EVENTS: take_event, CONSUMERS: take_consumer, DEFINITIONS: take_definition}
"""Who takes the rows of each shelf."""
