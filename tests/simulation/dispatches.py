"""Judges every command at the moment the router gives it to an instance."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from askrd.core.services import Instance
from askrd.core.session import Entry, Phase, Session
from askrd.wire.limits import RECENT_COMMANDS_MAX
from tests.simulation.offers import SPECS, fits

if TYPE_CHECKING:
    from tests.simulation.asking import Asked
    from tests.simulation.world import World


class Ledger(deque[Entry]):
    """Stands in for the router's memory of the last commands, and looks at each one.

    Attributes:
        asks: what callers asked, by session and id.
    """

    def __init__(self, world: World) -> None:
        super().__init__(maxlen=RECENT_COMMANDS_MAX)
        self.world = world
        self.asks: dict[tuple[Session, int], Asked] = {}

    def append(self, entry: Entry) -> None:
        """Takes note of a command that is being given to an instance."""
        super().append(entry)
        caller, caller_id, member, _, _, _, deadline_us, course = entry
        assert caller is not None
        assert member is not None
        now_us = self.world.router.board.now_us
        assert deadline_us > now_us, "an expired command was sent"
        assert caller.phase in (Phase.OPEN, Phase.CLOSING), "a command of a caller that left"
        self._check_member(member, caller)
        _check_room(member, entry)
        is_survey = course is not None and course.survey is not None
        if not is_survey:
            assert member.session.is_ready, "an instance that cannot take it got a command"
        asked = self.asks.get((caller, caller_id))
        if asked is not None and not asked.is_ambiguous:
            self._check_asked(asked, caller, member)

    def _check_member(self, member: Instance, caller: Session) -> None:
        session = member.session
        assert session.workspace is caller.workspace, "a command left its workspace"
        there = session.in_open_workspace.destinations.services.get(member.service.name)
        assert there is not None
        assert there.instances.get(session.suffix) is member, "an instance that left got a command"
        assert member.state == "active", f"a {member.state} instance got a command"
        assert not member.ejected_until_us, "an ejected instance got a command"

    def _check_asked(self, asked: Asked, caller: Session, member: Instance) -> None:
        assert not asked.is_cancelled, "a cancelled command was sent"
        assert fits(member, caller, asked.address, asked.options), (
            f"{member.stamp!r} got {asked.address} {asked.options} of {caller.origin!r}"
        )
        if asked.is_survey:
            if asked.members is None:
                asked.members = self._members(asked, caller)
            assert member.stamp in asked.members
            assert member not in asked.chosen, "a member was asked twice"
        elif asked.chosen:
            assert len(asked.chosen) == 1, "sent a third time"
            first = asked.chosen[0]
            assert first.service.instances.get(first.session.suffix) is not first, "sent twice"
        asked.chosen.append(member)

    def _members(self, asked: Asked, caller: Session) -> set[bytes]:
        """Returns everyone a survey has to ask."""
        return {
            instance.stamp
            for service in caller.in_open_workspace.destinations.services.values()
            for instance in service.instances.values()
            if fits(instance, caller, asked.address, asked.options)
        }


def _check_room(member: Instance, fresh: Entry) -> None:
    """Holds the bounds of how many commands an instance has at once, a new one included."""
    command = fresh[4].command
    counted = [
        entry[4].command
        for entry in member.session.asked.values()
        if entry[2] is member and entry[7] is not None and (entry is fresh or entry[7].is_counted)
    ]
    most = SPECS.get(command, {}).get("concurrency", 0)
    assert not most or counted.count(command) <= most, f"too many {command} at once"
    most = member.provision.concurrency
    assert not most or len(counted) <= most, "too many commands at once"
