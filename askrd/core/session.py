"""The daemon's side of one peer: who it is, what it asked, what it was asked, what waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING

from askrd.core.instants import NEVER_US
from askrd.core.outbox import Outbox
from askrd.wire.codec import Assembly, Raw
from askrd.wire.limits import HANDSHAKE_BYTES_MAX, Limits
from askrd.wire.parts import Parts

if TYPE_CHECKING:
    from askrd.core.collecting import Collection
    from askrd.core.course import Course
    from askrd.core.event import Hearing
    from askrd.core.recent import Told
    from askrd.core.resumption import Resumption
    from askrd.core.routes import Route
    from askrd.core.services import Instance
    from askrd.core.subscriptions import Audience
    from askrd.core.workspace import Workspace

Entry = tuple["Session | None", int, "Instance | None", int, "Route", int, int, "Course | None"]
"""A command in flight: caller, the caller's id, instance, the instance's id, route, when it came,
deadline (µs), and how it goes on when it is more than question and answer. The same tuple stands in the caller's `asking` and the instance's `asked`. Without
caller it is a cancelled command that still runs; without instance it waits in the daemon."""


Letter = bytes | tuple[int, Raw]
"""A call for another instance: the frame as it was written, or its tail and what follows its name."""


_NOWHERE: deque[Told] = deque(maxlen=0)
"""What is remembered of a peer without a workspace."""


class Phase(IntEnum):
    """Where a session is in its life; it only moves forward."""

    OPENING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class Session:
    """One peer's conversation.

    Attributes:
        suffix: six base62 characters, the instance id unless the peer keeps an earlier one.
        secret: what the peer shows to take its identity over on a new connection.
        via: the door's word (`unix`, `tcp`, `ws`, with `+json` for text).
        address: the remote address for people.
        phase: see `Phase`.
        workspace: None until HELLO.
        name, kind, origin: the peer's name, kind, and stamp `service@instance`.
        asked: commands this peer has to answer, by its ids. asking: commands it asked, by its ids.
        again: letters of plain idempotent commands it has to answer, by its ids, for another instance.
        last_id: the last id given to this peer for a command. ended_badly: how many of them ended in
            anything but a good answer in time.
        taken: ids of its unfinished requests that are no commands: subscriptions, watches, and
            requests that wait for the store.
        routes, subjects: the workspace's caches; a hit is the permission. Empty until HELLO.
        remember: takes a small event into the memory of the workspace.
        subscriptions, watches: pattern and prefix by the peer's ids. hearings: subscriptions whose
            frames are their own.
        collections: events it emitted that collect answers, by its ids. answering: those it may
            answer, by the ids it was given.
        instances: what it provides, by service name.
        due_us: when the wheel looks at it next. heard_us: when it last sent a byte.
        is_ready: whether it may be given commands now.
        takes_streams: whether it understands frames of streams.
        is_held_to_pings: whether silence closes it.
        is_unresponsive: whether it has been silent for long.
        knows_drain: whether it has read that the daemon is going away.
        is_finishing: it closed its sending side and waits for outcomes only.
        resumption: what lets its peer come back; None = it cannot. confirm_at: at how many bytes_in
            the peer is told what has arrived.
        main: whose further connection this is; None = it is a session of its own.
    """

    __slots__ = (
        "address",
        "again",
        "answering",
        "asked",
        "asking",
        "assembly",
        "bytes_in",
        "collections",
        "confirm_at",
        "due_us",
        "ended_badly",
        "heard_us",
        "hearings",
        "instances",
        "is_finishing",
        "is_held_to_pings",
        "is_ready",
        "is_unresponsive",
        "kind",
        "knows_drain",
        "last_id",
        "last_ticket",
        "main",
        "name",
        "origin",
        "outbox",
        "parts",
        "phase",
        "remember",
        "resumption",
        "routes",
        "secret",
        "since_us",
        "subjects",
        "subscriptions",
        "suffix",
        "taken",
        "takes_streams",
        "via",
        "wants_roster",
        "watches",
        "workspace",
    )

    def __init__(
        self,
        *,
        suffix: str,
        secret: str,
        via: str,
        address: str,
        limits: Limits,
        on_full: Callable[[Session], None],
        now_us: int,
    ) -> None:
        self.suffix = suffix
        self.secret = secret
        self.via = via
        self.address = address
        self.phase = Phase.OPENING
        self.workspace: Workspace | None = None
        self.name = ""
        self.kind = ""
        self.origin = b""
        self.outbox = Outbox(limits, lambda: on_full(self))
        self.assembly = Assembly(HANDSHAKE_BYTES_MAX + 64)
        self.parts: Parts | None = None
        self.asked: dict[int, Entry] = {}
        self.asking: dict[int, Entry] = {}
        self.again: dict[int, Letter] = {}
        self.taken: set[int] = set()
        self.last_id = 0
        self.ended_badly = 0
        self.last_ticket = 0
        self.routes: dict[bytes, Route] = {}
        self.subjects: dict[bytes, Audience] = {}
        self.remember: Callable[[Told], object] = _NOWHERE.append
        self.subscriptions: dict[int, str] = {}
        self.hearings: dict[int, Hearing] = {}
        self.collections: dict[int, Collection] = {}
        self.answering: dict[int, Collection] = {}
        self.watches: dict[int, str] = {}
        self.instances: dict[str, Instance] = {}
        self.due_us = NEVER_US
        self.heard_us = now_us
        self.since_us = now_us
        self.bytes_in = 0
        self.is_held_to_pings = True
        self.is_ready = self.is_unresponsive = self.is_finishing = False
        self.takes_streams = self.knows_drain = self.wants_roster = False
        self.resumption: Resumption | None = None
        self.confirm_at = NEVER_US
        self.main: Session | None = None

    @property
    def peer_id(self) -> str:
        """The peer's id, `askr-<name>-<instance>`."""
        return f"askr-{self.name}-{self.suffix}"

    @property
    def is_away(self) -> bool:
        """Whether its peer has no connection and may still come back."""
        return self.resumption is not None and self.resumption.back_by_us > 0

    def judge_ready(self) -> None:
        """Works out anew whether the peer may be given commands."""
        self.is_ready = not (
            self.phase is not Phase.OPEN
            or self.outbox.is_paused
            or self.is_unresponsive
            or self.is_finishing
        )

    def is_in_use(self, id_: int) -> bool:
        """Says whether an unfinished request of the peer has that id."""
        return id_ in self.asking or id_ in self.taken

    @property
    def is_service(self) -> bool:
        """Whether it offers something, or says that it will."""
        return bool(self.instances) or self.kind == "service"

    @property
    def is_restricted(self) -> bool:
        """Whether a service of its own says whom it may ask."""
        return any(one.provision.connect_to for one in self.instances.values())

    @property
    def service_names(self) -> list[str]:
        """The names by which rules know it: its services, and its own."""
        return list(dict.fromkeys((*self.instances, self.name)))

    @property
    def listens(self) -> bool:
        """Whether it has a subscription of any kind."""
        return bool(self.subscriptions or self.hearings)

    @property
    def in_open_workspace(self) -> Workspace:
        """The workspace of a session that is past HELLO."""
        assert self.workspace is not None
        return self.workspace
