"""What must be true of every world: of the router's tables at any time, of its peers at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from askrd.core import departure, eligibility, gate, surveys, waiting
from askrd.core.course import NO_OPTIONS
from askrd.core.destinations import read_address
from askrd.core.groups import Member
from askrd.core.instants import NEVER_US
from askrd.core.lanes import BulkLane, EventLane, UrgentLane
from askrd.core.router import Router
from askrd.core.services import Hoping, Instance, Nowhere, Parked, Service
from askrd.core.session import Entry, Phase, Session
from askrd.core.wheel import SLOT_BITS
from askrd.core.workspace import Workspace
from askrd.wire.bodies import CallOptions, load
from askrd.wire.errors import AskrError
from askrd.wire.frames import Kind
from askrd.wire.names import pattern_matches
from tests.simulation.offers import SPECS

if TYPE_CHECKING:
    from tests.simulation.asking import Asked

LATE_US = 2 << SLOT_BITS
"""How late a deadline may be noticed."""


@dataclass
class Heard:
    """One event as the auditor of a workspace saw it."""

    seq: int
    subject: str
    time_us: int = 0


@dataclass
class Changed:
    """One change of the state as the auditor of a workspace saw it."""

    rev: int
    key: str
    value: bytes | None


@dataclass
class Book:
    """What the peers of a world saw.

    Attributes:
        events, changes: per workspace, in the order the auditor saw them.
        asked: every command, by its token. askers: who asked it (its instance id) and with how
            much time.
        delivered: the instances that each command reached, and over which connection.
        undelivered: commands of which the daemon said that they were never sent.
            undelivered_rows: the same of one member of a survey.
        selected: commands that say who may take them, so that no order is promised.
        spoiled: commands of which a side sent more than the other takes.
        uploads: how an upload ended and how many items it had, as its sender told.
        runs: the outcome that each idempotency key got first.
        refused_later: commands that failed after they were accepted, as their instances say.
        refused_surely: those of which the daemon read it. failed_later: how often the event of that
            was heard.
        grouped: events that a member of a group got: workspace, pattern, group, seq.
        minded: events of a log that were acknowledged: workspace, consumer, number.
        judged: how often `$askr.why` was compared with what happened.
        closed: close codes by connection.
        outcomes: how often requests ended how.
    """

    events: dict[str, list[Heard]] = field(default_factory=dict)
    changes: dict[str, list[Changed]] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    askers: dict[str, tuple[str, int]] = field(default_factory=dict)
    delivered: dict[str, list[str]] = field(default_factory=dict)
    undelivered: set[str] = field(default_factory=set)
    undelivered_rows: set[tuple[str, str]] = field(default_factory=set)
    selected: set[str] = field(default_factory=set)
    spoiled: set[str] = field(default_factory=set)
    uploads: dict[str, tuple[int, int]] = field(default_factory=dict)
    runs: dict[tuple[str, str, str], tuple[int, bytes, bytes]] = field(default_factory=dict)
    refused_later: set[tuple[str, str]] = field(default_factory=set)
    refused_surely: set[tuple[str, str]] = field(default_factory=set)
    failed_later: Counter[tuple[str, str]] = field(default_factory=Counter)
    grouped: set[tuple[str, str, str, int]] = field(default_factory=set)
    minded: set[tuple[str, str, int]] = field(default_factory=set)
    judged: int = 0
    closed: dict[int, int] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """Holds what is true of commands, whoever asked them."""
        for token, by in self.delivered.items():
            asked = self.asked[token]
            assert len(set(by)) == len(by), f"{token} was delivered twice to one instance: {by}"
            is_again = SPECS[asked.command].get("idempotent", False)
            assert asked.is_survey or len(by) <= 1 + is_again, f"{token} was delivered to {by}"
            late = [by_ for by_ in by if (token, by_.split()[0]) in self.undelivered_rows]
            assert not late, f"{token} reached {late}, which was said to be lost before"
        both = self.undelivered & self.delivered.keys()
        assert not both, f"commands were delivered although they failed as never sent: {both}"
        assert all(times <= 1 for times in self.failed_later.values()), "an event too many"
        assert self.failed_later.keys() <= self.refused_later, "an event of nothing"
        for token, _ in self.refused_surely - self.failed_later.keys():
            asked = self.asked[token]
            is_known = asked.end is None or asked.end.kind != Kind.REPLY or asked.is_survey
            assert is_known or asked.is_silent or asked.run, f"nobody heard that {token} failed"


def check_tables(router: Router) -> None:
    """Holds what is true of the router's tables after every input."""
    board = router.board
    requests = [item for item in board.gate._waiting if item.session is not None]
    assert len(requests) <= gate.GATED_MAX, "too many requests wait for the store"
    assert not board.effects, "effects are taken after each input"
    for session in board.sessions:
        _check_session(router, session)
    for workspace in board.workspaces.values():
        _check_workspace(router, workspace)


def _check_session(router: Router, session: Session) -> None:
    limits = router.board.limits
    assert len(session.asking) <= limits.commands_in_flight_max
    assert len(session.subscriptions) <= limits.subscriptions_max
    assert len(session.asked) <= eligibility.ASKED_MAX, "an instance has too many commands"
    for id_, entry in session.asking.items():
        _check_asking(router, session, id_, entry)
    for rid, entry in session.asked.items():
        _check_asked(session, rid, entry)
    _check_collections(router, session)
    _check_outbox(router, session)


def _check_collections(router: Router, session: Session) -> None:
    is_open = session.phase is Phase.OPEN
    for id_, collection in session.collections.items():
        assert collection.emitter is session
        assert id_ in session.taken
        is_late = collection.deadline_us + LATE_US < router.board.now_us
        assert not is_open or not is_late, "answers are waited for too long"
        assert collection.waits_for, "answers are waited for of nobody"
        for listener, given in collection.waits_for:
            assert listener is session or listener.answering[given] is collection
    for id_, collection in session.answering.items():
        assert (session, id_) in collection.waits_for, "an answer is wanted by nobody"
        assert collection.emitter.collections, "an answer to nothing"


def _check_groups(workspace: Workspace) -> None:
    found = [
        hearing
        for session in workspace.sessions.values()
        for hearing in session.hearings.values()
        if isinstance(hearing, Member)
    ]
    members = [each for group in workspace.groups.values() for each in group.instances.values()]
    assert set(found) == set(members), "a group has other members than those who listen"
    assert all(group.instances for group in workspace.groups.values()), "a group of nobody"


def _check_asking(router: Router, session: Session, id_: int, entry: Entry) -> None:
    now_us = router.board.now_us
    caller, caller_id, member, rid, route, _, deadline_us, course = entry
    assert caller is session
    assert caller_id == id_
    due_us = deadline_us if course is None or not course.due_us else course.due_us
    is_open = session.phase is Phase.OPEN
    assert not is_open or due_us + LATE_US >= now_us, "an outcome is late"
    assert not is_open or session.due_us <= due_us, "nobody will look"
    if member is not None:
        assert member.session.asked[rid] == entry
        assert member.session.workspace is session.workspace, "a command left its workspace"
        return
    workspace = session.in_open_workspace
    is_survey = course is not None and course.survey is not None
    is_parked = not isinstance(route, Nowhere) and (
        (session, id_) in route.service.waiting.get(route.name, {})
    )
    is_hoping = (session, id_) in workspace.destinations.hoping
    kept = course.kept if course is not None else None
    has_joined = kept is not None and (session, id_) in kept.joined
    places = [is_survey, is_parked, is_hoping, has_joined]
    assert places.count(True) == 1, f"a command waits in {places.count(True)} places"
    if is_survey:
        assert course is not None
        assert course.survey is not None
        assert course.survey.entry is entry
        assert course.survey.pending, "a survey waits for nobody"


def _check_asked(session: Session, rid: int, entry: Entry) -> None:
    caller, caller_id, member, _, _, _, _, course = entry
    assert member is not None
    assert member.session is session
    assert 0 < rid <= session.last_id
    if caller is None:
        return
    survey = course.survey if course is not None else None
    if survey is None:
        assert caller.asking[caller_id] is entry, "an entry has one side only"
        return
    assert caller.asking[caller_id] is survey.entry, "a member of a survey that is over"
    assert member in survey.pending, "a member that nobody waits for"


def _check_load(instance: Instance) -> None:
    """Holds that what an instance is said to have is what it has."""
    counted = Counter(
        entry[4].command
        for entry in instance.session.asked.values()
        if entry[2] is instance and entry[7] is not None and entry[7].is_counted
    )
    assert instance.load == counted.total(), "an instance's load is wrong"
    running = {command: count for command, count in instance.running.items() if count}
    assert running == dict(counted), "what an instance runs is counted wrong"


def _check_surveys(workspace: Workspace) -> None:
    for session in workspace.sessions.values():
        for entry in session.asking.values():
            survey = entry[7].survey if entry[7] is not None else None
            if survey is None:
                continue
            found = {
                other[2]
                for member in survey.pending
                for other in member.session.asked.values()
                if other[0] is session and other[7] is not None and other[7].survey is survey
            }
            assert found == survey.pending.keys(), "a survey waits for somebody who has nothing"


def _check_kept(workspace: Workspace) -> None:
    """Holds that every key that runs has one run, and everyone who joined it waits for it."""
    runs = Counter(
        entry[7].kept
        for session in workspace.sessions.values()
        for entry in session.asking.values()
        if entry[7] is not None
        and entry[7].kept is not None
        and (session, entry[1]) not in entry[7].kept.joined
    )
    for kept, times in runs.items():
        assert kept is not None
        assert times == 1, "one key runs twice"
        assert workspace.kept.items.get(kept.key) is kept, "a run is not remembered"
        assert kept.outcome is None, "a run goes on after its outcome"
    for key, kept in workspace.kept.items.items():
        assert kept.key == key
        assert (kept.outcome is None) == (kept in runs), f"{key} waits for a run that is not there"
        for (session, id_), entry in kept.joined.items():
            assert session.asking[id_] is entry
        assert kept.outcome is None or not kept.joined
    size = sum(len(kept.outcome[3]) for kept in workspace.kept.items.values() if kept.outcome)
    assert workspace.kept.bytes == size


def _check_outbox(router: Router, session: Session) -> None:
    limits = router.board.limits
    box = session.outbox
    assert box.is_paused == isinstance(box.urgent, UrgentLane) == isinstance(box.events, EventLane)
    ready = session.phase is Phase.OPEN and not box.is_paused
    assert session.is_ready == (ready and not session.is_unresponsive and not session.is_finishing)
    if not isinstance(box.urgent, UrgentLane) or not isinstance(box.events, EventLane):
        return
    frames, size = box.waiting
    # The frame that passed the bound and the error that says so are the last ones taken in.
    assert frames <= 4 * limits.outbox_frames_max + 4, f"{frames} frames wait"
    over = limits.payload_bytes_max + 2_000
    assert size <= 3 * limits.outbox_bytes_max + over, f"{size} bytes wait"
    assert isinstance(box.bulk, BulkLane)
    assert len(box.bulk) <= limits.outbox_frames_max + 1, f"{len(box.bulk)} frames of streams wait"
    assert box.bulk.bytes <= limits.outbox_bytes_max + over
    assert len(box.events) <= 2 * limits.outbox_frames_max + 2, f"{len(box.events)} events wait"
    if box.urgent.frames > limits.outbox_frames_max:
        assert session.phase >= Phase.CLOSING, "answers pile up and the session stays"


def _check_workspace(router: Router, workspace: Workspace) -> None:
    for session in workspace.sessions.values():
        assert session in router.board.sessions
        assert session.workspace is workspace
        assert (session in workspace.watching) == bool(session.watches)
        assert not session.wants_roster or session in workspace.roster
        for name, instance in session.instances.items():
            assert workspace.destinations.services[name].instances[session.suffix] is instance
    there = set(workspace.sessions.values())
    assert there >= {*workspace.watching, *workspace.roster}, "somebody who left is remembered"
    for subject, audience in workspace.subscriptions.subjects.items():
        assert not subject.startswith(b"$"), "a hit is a permission"
        expected = {
            session
            for session in workspace.sessions.values()
            for pattern in session.subscriptions.values()
            if pattern_matches(pattern, subject.decode())
        }
        assert set(audience.listeners) == expected, "an audience is out of date"
        assert len(audience.listeners) == len(expected), "a session hears an event twice"
    for service in workspace.destinations.services.values():
        assert service.instances, "a service without instances is none"
        _check_waiting(router, service)
        for instance in service.instances.values():
            _check_load(instance)
            rests_until_us = instance.ejected_until_us or NEVER_US
            is_over = rests_until_us + LATE_US < router.board.now_us
            assert not is_over or instance.session.phase is not Phase.OPEN, "it rests for too long"
    _check_groups(workspace)
    _check_surveys(workspace)
    _check_kept(workspace)
    for (session, id_), hope in workspace.destinations.hoping.items():
        assert session.asking[id_] is hope.entry, "somebody hopes who does not ask"
        assert not _is_there(router, session, hope), "somebody hopes for what is there"
    state = workspace.state
    revs = [entry.rev for entry in state.entries.values()]
    assert len(set(revs)) == len(revs), "two entries have one revision"
    assert max(revs, default=0) <= state.rev <= state.head_rev
    owners = set(state.owned)
    assert owners <= set(workspace.sessions), "an entry outlives the peer it belongs to"


def _check_waiting(router: Router, service: Service) -> None:
    parked = service.all_waiting()
    assert all(service.waiting.values()), "an empty queue is none"
    assert service.waiting_count == len(parked) <= waiting.WAITING_COMMANDS_MAX
    assert service.waiting_bytes == sum(len(each.rest) for each in parked)
    for name, queue in service.waiting.items():
        for (session, id_), each in queue.items():
            assert session.asking[id_] is each.entry
            assert each.entry[4].name == name
    for each in parked:
        is_late = each.entry[6] <= router.board.now_us
        assert is_late or not _could_run(router, each), "a command waits for nothing"


def _could_run(router: Router, parked: Parked) -> bool:
    caller, course = parked.entry[0], parked.entry[7]
    assert caller is not None
    destinations = caller.in_open_workspace.destinations
    address = read_address(parked.address)
    try:
        resolution = destinations.resolve(address, parked.address.decode(), router.board.now_us)
        rests = any(each.verdict == "ejected" for each in resolution.candidates)
        if resolution.route is None:
            return not rests
        if not caller.name.startswith(("client", "spoiler")):
            return False  # rules may mean another one since it offers something else
        options = NO_OPTIONS if course is None else course.options
        return resolution.route.peek(caller, options) is not None
    except AskrError:
        return not rests


def _is_there(router: Router, session: Session, hope: Hoping) -> bool:
    """Says whether somebody could take a command that waits for somebody to come."""
    if not session.name.startswith(("client", "spoiler")) or router.board.is_draining:
        return False
    address, text = read_address(hope.frame.name), hope.frame.name.decode()
    found = session.in_open_workspace.destinations
    try:
        options = load(CallOptions, hope.frame.options, "options")
        if address.is_survey or options.all:
            return bool(surveys.members_for(router.board, session, hope.frame.name, options))
        route = found.resolve(address, text, router.board.now_us).route
        return route is not None and route.peek(session, options) is not None
    except AskrError:
        return False


def check_nothing_left(router: Router) -> None:
    """Holds that a router without sessions remembers nothing."""
    board = router.board
    assert not board.sessions
    assert not board.workspaces
    assert not len(board.wheel)
    assert not len(board.gate)
    assert not board.effects
    assert departure.in_flight(router.board) == 0
