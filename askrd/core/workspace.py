"""One workspace: its peers, services, listeners and state, apart from every other workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askrd.core.changes import Changes
from askrd.core.destinations import Destinations
from askrd.core.jobs import Jobs
from askrd.core.logs import Logs
from askrd.core.recent import Recent
from askrd.core.retained import Retained
from askrd.core.shelf import Shelf
from askrd.core.state import State
from askrd.core.subscriptions import Subscriptions

if TYPE_CHECKING:
    from askrd.core.groups import Group
    from askrd.core.session import Session


class Workspace:
    """The tables of one workspace.

    Attributes:
        sessions: open sessions by instance id, in the order they joined.
        seq: number of the last event.
        changes: what changed last in the state.
        watching: sessions with at least one state watch.
        onlookers: those of them that watch who is there.
        roster: sessions that want `roster` frames.
        followers: sessions that want to know which events are listened to.
        kept: outcomes of commands with an idempotency key.
        jobs: commands that wait in queues, and what became of them.
        recent: the events of the last minutes. retained: the last ones of some subjects.
        groups: listeners that share events, by pattern and name.
        logs: what of its events is kept.
    """

    __slots__ = (
        "changes",
        "destinations",
        "followers",
        "groups",
        "jobs",
        "kept",
        "logs",
        "name",
        "onlookers",
        "recent",
        "retained",
        "roster",
        "seq",
        "sessions",
        "state",
        "subscriptions",
        "watching",
    )

    def __init__(self, name: str, default_timeout_ms: int, floor: int) -> None:
        """Starts empty; events and revisions are numbered from ``floor`` + 1."""
        self.name = name
        self.sessions: dict[str, Session] = {}
        self.destinations = Destinations(name, default_timeout_ms)
        self.subscriptions = Subscriptions()
        self.state = State(floor)
        self.changes = Changes(floor)
        self.seq = floor
        self.watching: dict[Session, None] = {}
        self.onlookers: dict[Session, None] = {}
        self.roster: dict[Session, None] = {}
        self.followers: dict[Session, None] = {}
        self.kept = Shelf()
        self.jobs = Jobs()
        self.recent = Recent(floor)
        self.retained = Retained()
        self.groups: dict[tuple[str, str], Group] = {}
        self.logs = Logs()

    @property
    def is_empty(self) -> bool:
        """Whether nothing in it would be missed."""
        kept = self.destinations.departed or self.state.is_kept or len(self.kept)
        rows = self.jobs.queues or self.jobs.last or len(self.retained) or len(self.logs)
        return not (self.sessions or kept or rows or len(self.recent))
