"""`$askr.why`: who would get a command, who hears an event, and what became of a command."""

from __future__ import annotations

from typing import Any

import msgspec

from askrd.core import job_calls, surveys, waiting
from askrd.core.destinations import candidates_in, read_address
from askrd.core.eligibility import saturated
from askrd.core.event import Hearing
from askrd.core.letters import check_options
from askrd.core.log_readers import Reader
from askrd.core.logs import fits
from askrd.core.services import Instance
from askrd.core.session import Entry, Session
from askrd.core.switchboard import Failure, Past, Switchboard, past_of
from askrd.wire.bodies import CallOptions, Json
from askrd.wire.errors import AskrError, BadRequest, NotFound
from askrd.wire.names import check_pattern, pattern_matches, segment_matches


def why(board: Switchboard, session: Session, argument: Json) -> Json:
    """Explains who would get a command or hear an event, or what became of a command.

    Raises:
        BadRequest: it was asked for none of them, or for several.
        NotFound: the command is not remembered.
    """
    asked = argument if isinstance(argument, dict) else {"target": argument}
    given = [name for name in ("target", "event", "id") if asked.get(name) is not None]
    if len(given) != 1:
        raise BadRequest('why takes one of {"target": ADDRESS}, {"event": NAME} and {"id": NUMBER}')
    if given == ["event"]:
        return _event(session, asked["event"])
    if given == ["id"]:
        return _command(board, session, asked)
    if not isinstance(asked["target"], str):
        raise BadRequest("target is an address")
    options = {name: value for name, value in asked.items() if name != "target"}
    return dry_run(board, session, asked["target"], options)


def dry_run(board: Switchboard, session: Session, target: str, options: Any) -> dict[str, Json]:
    """Decides as for a command of ``session``, sends nothing, and returns the reasons."""
    told: dict[str, Json] = {"target": target, "verdict": "", "candidates": []}
    try:
        try:
            wants = check_options(msgspec.convert(options, CallOptions))
        except msgspec.ValidationError as exc:
            raise BadRequest(f"the options of a call: {exc}") from exc
        told["candidates"], told["verdict"] = _decide(board, session, target, wants)
    except AskrError as error:
        told |= {"verdict": str(error.code), "error": error.message, "details": error.details}
        told["candidates"] = _candidates(board, session, target)
    return told


def _decide(
    board: Switchboard, session: Session, target: str, options: CallOptions
) -> tuple[list[Json], str]:
    if job_calls.meant(session.in_open_workspace, target.encode()) is not None:
        return _candidates(board, session, target), "queued"
    destinations = session.in_open_workspace.destinations
    address = read_address(target.encode())
    found = candidates_in(
        destinations.services_of(address, board.now_us), address, session, options
    )
    rows = {c.instance: _row(c.instance, c.verdict, c.reason) for c in found}
    route = None
    if not address.is_survey and not options.all:
        route = destinations.route_for(target.encode(), board.now_us)
    if route is None or (route.spec.mode == "broadcast" and "@" not in target):
        for member in surveys.members_for(board, session, target.encode(), options):
            if saturated(member, address.command) is None:
                rows[member] |= {"verdict": "chosen", "reason": "every instance that fits is asked"}
        return list(rows.values()), "chosen"
    chosen = route.peek(session, options)
    if chosen is None:
        waiting.check_room(route, 0)
        return list(rows.values()), "waits"
    rows[chosen] |= {"verdict": "chosen", "reason": f"it is next by the policy {route.policy}"}
    return list(rows.values()), "chosen"


def _candidates(board: Switchboard, session: Session, target: str) -> list[Json]:
    try:
        address = read_address(target.encode())
        services = session.in_open_workspace.destinations.services_of(address, board.now_us)
        found = candidates_in(services, address, session)
    except AskrError:
        return []
    return [_row(c.instance, c.verdict, c.reason) for c in found]


def _row(instance: Instance, verdict: str, reason: str) -> dict[str, Json]:
    service, suffix = instance.service.name, instance.session.suffix
    return {"service": service, "instance": suffix, "verdict": verdict, "reason": reason}


# ── events ────────────────────────────────────────────────────────────────────────────────────


def _event(session: Session, event: Json) -> Json:
    if not isinstance(event, str):
        raise BadRequest("event is a name")
    check_pattern(event)
    listeners = session.in_open_workspace.sessions.values()
    rows = [_listener(listener, event) for listener in listeners if listener.listens]
    rows.sort(key=lambda row: row["verdict"] != "hears")
    heard = any(row["verdict"] == "hears" for row in rows)
    return {"target": event, "verdict": "heard" if heard else "nobody", "candidates": rows}


def _listener(listener: Session, event: str) -> dict[str, Json]:
    service, _, suffix = listener.origin.decode().partition("@")
    row = {"service": service, "instance": suffix}
    patterns = list(listener.subscriptions.values())
    hits = [pattern for pattern in patterns if pattern_matches(pattern, event)][:1]
    for hearing in listener.hearings.values():
        patterns.append(hearing.pattern)
        if _hears(hearing, event):
            hits.append(f"{hearing.pattern} {hearing.manner}".rstrip())
    if hits:
        return row | {"verdict": "hears", "reason": f"it listens to {', and '.join(hits)}"}
    for pattern in patterns:
        if _is_one_letter_off(pattern, event):
            return row | {
                "verdict": "misses",
                "reason": f"its pattern {pattern} misses by one letter",
            }
    shown = ", ".join(patterns[:5]) + (" and more" if len(patterns) > 5 else "")
    return row | {"verdict": "misses", "reason": f"it listens to {shown}"}


def _hears(hearing: Hearing, event: str) -> bool:
    """Says whether an event fits a subscription; a reader of a log gets what the log keeps."""
    if not isinstance(hearing, Reader):
        return pattern_matches(hearing.pattern, event)
    is_kept = any(pattern_matches(pattern, event) for pattern in hearing.log.heard)
    return is_kept and fits(hearing.pattern, event)


def _is_one_letter_off(pattern: str, event: str) -> bool:
    """Says whether a letter more, less or another one would let ``pattern`` match."""
    wanted, had = pattern.split("."), event.split(".")
    if "*" not in pattern:
        return _differ_by_one(pattern, event)
    if wanted[-1] == "**":
        wanted, had = wanted[:-1], had[: len(wanted) - 1]
    if len(wanted) != len(had):
        return False
    misses = [pair for pair in zip(wanted, had, strict=True) if not segment_matches(*pair)]
    return len(misses) == 1 and "*" not in misses[0][0] and _differ_by_one(*misses[0])


def _differ_by_one(one: str, other: str) -> bool:
    """Says whether a letter added, taken away or replaced makes one text the other."""
    short, long = sorted((one, other), key=len)
    same = next(
        (n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short)
    )
    return short[same:] == long[same + 1 :] or short[same + 1 :] == long[same + 1 :]


# ── commands that were ────────────────────────────────────────────────────────────────────────


def _command(board: Switchboard, session: Session, asked: dict[str, Json]) -> Json:
    id_, caller = asked["id"], asked.get("instance")
    if not isinstance(id_, int) or not (caller is None or isinstance(caller, str)):
        raise BadRequest('a command is named by {"id": NUMBER, "instance": the caller\'s instance}')
    workspace = session.in_open_workspace
    for peer in workspace.sessions.values():
        if caller in {None, peer.suffix} and (now := peer.asking.get(id_)) and now[2] is None:
            return _undecided(board, peer, now)
    past, entry = None, None
    for item in reversed(board.recent):
        one = item if isinstance(item, Past) else past_of(item)
        if one.id == id_ and caller in {None, one.caller} and one.workspace == workspace.name:
            past, entry = one, None if isinstance(item, Past) else item
            break
    failure = next(
        (
            f
            for f in reversed(board.failures)
            if f.id == id_ and caller in {None, f.caller} and f.workspace == workspace.name
        ),
        None,
    )
    if failure is not None and (past is None or failure.came_us >= past.came_us):
        return _failed(board, session, failure, past)
    if past is None:
        raise NotFound(f"no command {id_} is remembered; the last 1000 of this daemon are")
    return _known(board, session, past, is_running=entry is not None and _runs(entry))


def _undecided(board: Switchboard, caller: Session, entry: Entry) -> dict[str, Json]:
    """Explains a command that waits in the daemon, or that asks several."""
    course, came_us = entry[7], entry[5]
    wants = {} if course is None else msgspec.to_builtins(course.options)
    told = dry_run(board, caller, entry[4].name.decode("utf-8", "replace"), wants)
    is_survey = course is not None and course.survey is not None
    return told | {
        "id": entry[1],
        "verdict": "chosen" if is_survey else "waits",
        "state": "running",
        "caller": caller.origin.decode(),
        "instance": "",
        "came": (came_us + board.wall_offset_us) // 1000,
        "ms": (board.now_us - came_us) // 1000,
    }


def _runs(entry: Entry) -> bool:
    member, rid = entry[2], entry[3]
    assert member is not None
    running = member.session.asked.get(rid)
    return running is not None and running[0] is entry[0]


def _known(
    board: Switchboard, session: Session, past: Past, *, is_running: bool
) -> dict[str, Json]:
    return {
        "target": past.target,
        "id": past.id,
        "verdict": "chosen",
        "state": "running" if is_running else "answered",
        "caller": past.stamp,
        "instance": past.instance,
        "mode": past.mode,
        "came": (past.came_us + board.wall_offset_us) // 1000,
        "ms": (board.now_us - past.came_us) // 1000 if is_running else None,
        "candidates": _then(board, session, past),
    }


def _then(board: Switchboard, session: Session, past: Past) -> list[Json]:
    """Returns who got a command, and how the others stand now."""
    service, _, suffix = past.instance.partition("@")
    rows = dry_run(board, session, past.target, {})["candidates"]
    others = [row for row in rows if (row["service"], row["instance"]) != (service, suffix)]
    for row in others:
        row["verdict"] = "eligible" if row["verdict"] == "chosen" else row["verdict"]
    got = {
        "service": service,
        "instance": suffix,
        "verdict": "chosen",
        "reason": "it got the command",
    }
    return [got, *others]


def _failed(
    board: Switchboard, session: Session, failure: Failure, past: Past | None
) -> dict[str, Json]:
    told = dry_run(board, session, failure.target, {})
    if past is not None and past.came_us == failure.came_us:
        told |= {"candidates": _then(board, session, past), "instance": past.instance}
    return told | {
        "id": failure.id,
        "verdict": failure.code,
        "error": failure.message,
        "state": "failed",
        "caller": failure.stamp,
        "came": (failure.came_us + board.wall_offset_us) // 1000,
    }
