"""What must be true of every world: of the router's tables at any time, of its peers at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from askrd.core import commands, destinations, gate
from askrd.core.outbox import EventLane, UrgentLane
from askrd.core.router import Router
from askrd.core.session import Phase, Session
from askrd.core.wheel import SLOT_BITS
from askrd.core.workspace import Workspace
from askrd.wire.errors import AskrError
from askrd.wire.names import pattern_matches

LATE_US = 2 << SLOT_BITS
"""How late a deadline may be noticed."""


@dataclass
class Heard:
    """One event as the auditor of a workspace saw it."""

    seq: int
    subject: str


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
        delivered: how often each command reached an instance, by its token.
        undelivered: commands of which the daemon said that they were never sent.
        asked: who asked a command (its instance id) and with how much time, by its token.
        selected: commands whose address names instances or tags, by their token.
        closed: close codes by connection.
        outcomes: how often requests ended how.
    """

    events: dict[str, list[Heard]] = field(default_factory=dict)
    changes: dict[str, list[Changed]] = field(default_factory=dict)
    delivered: Counter[str] = field(default_factory=Counter)
    undelivered: set[str] = field(default_factory=set)
    asked: dict[str, tuple[str, int]] = field(default_factory=dict)
    selected: set[str] = field(default_factory=set)
    closed: dict[int, int] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """Holds what is true of commands, whoever asked them."""
        twice = {token: times for token, times in self.delivered.items() if times > 1}
        assert not twice, f"commands were delivered more than once: {twice}"
        both = self.undelivered & self.delivered.keys()
        assert not both, f"commands were delivered although they failed as never sent: {both}"


def check_tables(router: Router) -> None:
    """Holds what is true of the router's tables after every input."""
    board = router.board
    assert len(board.gate) <= gate.GATED_MAX, "too many requests wait for the store"
    assert not board.effects, "effects are taken after each input"
    for session in board.sessions:
        _check_session(router, session)
    for workspace in board.workspaces.values():
        _check_workspace(router, workspace)


def _check_session(router: Router, session: Session) -> None:
    limits, now_us = router.board.limits, router.board.now_us
    assert len(session.asking) <= limits.commands_in_flight_max
    assert len(session.subscriptions) <= limits.subscriptions_max
    assert len(session.asked) <= destinations.ASKED_MAX, "an instance has too many commands"
    for id_, entry in session.asking.items():
        caller, caller_id, member, rid, route, _, deadline_us = entry
        assert caller is session
        assert caller_id == id_
        assert session.phase is not Phase.OPEN or deadline_us + LATE_US >= now_us, (
            "an outcome is late"
        )
        assert session.phase is not Phase.OPEN or session.due_us <= deadline_us, "nobody will look"
        if member is None:
            assert (session, id_) in route.service.waiting, "a command waits nowhere"
        else:
            assert member.session.asked[rid] == entry
            assert member.session.workspace is session.workspace, "a command left its workspace"
    for rid, entry in session.asked.items():
        caller, caller_id, member = entry[0], entry[1], entry[2]
        assert member is not None
        assert member.session is session
        assert 0 < rid <= session.last_id
        assert caller is None or caller.asking[caller_id] == entry, "an entry has one side only"
    _check_outbox(router, session)


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
    assert frames <= 3 * limits.outbox_frames_max + 4, f"{frames} frames wait"
    over = limits.payload_bytes_max + 2_000
    assert size <= 2 * limits.outbox_bytes_max + over, f"{size} bytes wait"
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
        waiting = service.waiting.values()
        assert len(waiting) <= commands.WAITING_COMMANDS_MAX
        assert service.waiting_bytes == sum(len(parked.rest) for parked in waiting)
        for parked in waiting:
            assert parked.entry[6] <= router.board.now_us or not _could_run(
                workspace, parked.address
            ), "a command waits for nothing"
    state = workspace.state
    revs = [entry.rev for entry in state.entries.values()]
    assert len(set(revs)) == len(revs), "two entries have one revision"
    assert max(revs, default=0) <= state.rev <= state.head_rev


def _could_run(workspace: Workspace, address: bytes) -> bool:
    try:
        resolution = workspace.destinations.resolve(address.decode(), 0)
    except AskrError:
        return True
    return resolution.route is None or any(c.verdict == "eligible" for c in resolution.candidates)


def check_nothing_left(router: Router) -> None:
    """Holds that a router without sessions remembers nothing."""
    board = router.board
    assert not board.sessions
    assert not board.workspaces
    assert not len(board.wheel)
    assert not len(board.gate)
    assert not board.effects
    assert router.in_flight == 0
