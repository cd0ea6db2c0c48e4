"""Groups of listeners that share events: each event goes to one member, which a policy chooses."""

from __future__ import annotations

from typing import Any, cast

from askrd.core.choice import POLICIES, ROUND_ROBIN, Policy
from askrd.core.event import Event
from askrd.core.services import next_chance
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import Provision

_CHANCE = 0x9E3779B97F4A7C15


class Member:
    """One `sub` with a group.

    Attributes:
        pattern: what the group listens to.
        session, sub: whose subscription it is, and its id.
        stamp: what the policy `hash` knows it by.
        provision: its weight, where the policies look for it. credit: what `weighted` owes it.
        turn: when it got an event last, counted in events of the group.
    """

    __slots__ = ("_group", "credit", "provision", "session", "stamp", "sub", "turn")

    def __init__(self, group: Group, session: Session, sub: int, weight: int) -> None:
        self._group = group
        self.session = session
        self.sub = sub
        self.stamp = b"%b/%d" % (session.origin, sub)
        self.provision = Provision(service=group.name, weight=weight)
        self.credit = 0
        self.turn = 0

    @property
    def pattern(self) -> str:
        """What the group listens to."""
        return self._group.pattern

    @property
    def manner(self) -> str:
        """How it hears, for people."""
        return f"in group {self._group.name}"

    def end(self, _board: Switchboard) -> None:
        """Leaves the group."""
        self._group.leave(self)


class Group:
    """The members that listen to one pattern under one name, in the order they joined.

    Attributes:
        name, pattern: what makes it one group. policy: which member gets an event; the newest
            member's word counts.
        instances: the members, where the policies look for them. cursor: whose turn it is.
        events: how many it has heard.
        is_durable: no.
    """

    __slots__ = (
        "_chance",
        "_choose",
        "_workspace",
        "cursor",
        "events",
        "instances",
        "name",
        "pattern",
        "policy",
    )
    is_durable = False

    def __init__(self, workspace: Workspace, pattern: str, name: str) -> None:
        self._workspace = workspace
        self.pattern = pattern
        self.name = name
        self.instances: dict[bytes, Member] = {}
        self.cursor = 0
        self.events = 0
        self._chance = _CHANCE
        self.set_policy(ROUND_ROBIN)

    def set_policy(self, policy: str) -> None:
        """Has another policy choose from now on."""
        self.policy = policy
        self._choose: Policy = POLICIES[policy]

    def draw(self) -> int:
        """Returns the next number, 0 to 2^32-1, of a sequence that looks random."""
        self._chance = next_chance(self._chance)
        return self._chance >> 32

    def hear(self, board: Switchboard, event: Event) -> int:
        """Gives an event to one member."""
        self.events += 1
        member = self._next(event.key)
        member.turn = self.events
        board.give_event(member.session, event.told(member.session, member.sub))
        return 1

    def _next(self, key: bytes) -> Member:
        """Chooses among those who can read now; when nobody can, among those who are connected."""
        members = list(self.instances.values())
        able = [each for each in members if each.session.is_ready]
        able = able or [each for each in members if not each.session.is_away] or members
        if self.policy == "least":
            return min(able, key=lambda each: (len(each.session.asked), each.turn))
        # The policies ask of a service and its instances no more than a group and its members have.
        return cast(Member, self._choose(cast(Any, self), cast(Any, able), key))

    def leave(self, member: Member) -> None:
        """Takes a member out; a group without members is no more."""
        del self.instances[member.stamp]
        if not self.instances:
            del self._workspace.groups[self.pattern, self.name]
            self._workspace.subscriptions.remove(self.pattern, self)


def join(session: Session, sub: int, pattern: str, name: str, policy: str, weight: int) -> Member:
    """Has a subscription be a member of a group, made on first use.

    Args:
        session: whose it is.
        sub: its id.
        pattern: what it listens to.
        name: of the group.
        policy: of the group from now on; empty = as it is.
        weight: for the policy `weighted`.
    """
    workspace = session.in_open_workspace
    group = workspace.groups.get((pattern, name))
    if group is None:
        group = workspace.groups[pattern, name] = Group(workspace, pattern, name)
        workspace.subscriptions.add(pattern, group)
    if policy:
        group.set_policy(policy)
    member = Member(group, session, sub, weight)
    group.instances[member.stamp] = member
    return member
