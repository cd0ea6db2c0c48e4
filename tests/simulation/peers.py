"""Who lives in a simulated world: peers that keep the rules, and that watch that the daemon does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from askrd.wire.bodies import EntryOptions, ErrorBody, Gap, Synced, Welcome, dump, load
from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import FLAG_KEPT, STAMP_TIME, Coding, Frame, Kind
from askrd.wire.limits import MIB
from tests.simulation.checks import Changed, Heard

if TYPE_CHECKING:
    from tests.simulation.network import Connection
    from tests.simulation.world import World

ENDS = frozenset(
    {Kind.REPLY, Kind.FAIL, Kind.SUBBED, Kind.EMITTED, Kind.OK, Kind.SYNCED, Kind.PROVIDED}
)
"""Kinds that end a request."""


class Peer:
    """A peer that says hello, answers pings and accounts for every request.

    Attributes:
        welcome: what the daemon said, or None so far.
        open: what it waits for, by id; several when it used one id twice.
        heard: the frames it got, by kind.
    """

    is_wide = False
    wants_roster = False

    def __init__(self, world: World, workspace: str, name: str, **hello: Any) -> None:
        self.world = world
        self.workspace = workspace
        self.name = name
        self.welcome: Welcome | None = None
        self.open: dict[int, list[str]] = {}
        self.heard: dict[int, list[Frame]] = {}
        self.requests = 0
        self._hello = hello
        self._assembly = Assembly(8 * MIB)
        world.peers.append(self)
        self.connection: Connection = world.connect(self, is_wide=self.is_wide)

    def start(self) -> None:
        """Says hello."""
        body = {"v": 1, "name": self.name, "workspace": self.workspace, "roster": self.wants_roster}
        self.say(Frame(kind=Kind.HELLO, payload=dump(body | self._hello), coding=Coding.JSON))

    def say(self, frame: Frame, arrived: Callable[[], None] | None = None) -> None:
        """Sends a frame that is no request."""
        self.connection.send(encode(frame), arrived)

    def ask(
        self,
        kind: Kind,
        name: str = "",
        body: Any = None,
        *,
        id_: int = 0,
        token: str = "",
        arrived: Callable[[], None] | None = None,
        **fields: Any,
    ) -> int:
        """Sends a request under a new id, or under ``id_``; returns the id."""
        self.requests += 1
        id_ = id_ or self.requests
        self.open.setdefault(id_, []).append(token)
        payload = b"" if body is None else dump(body)
        coding = Coding.NONE if body is None else Coding.JSON
        self.say(
            Frame(kind=kind, id=id_, name=name.encode(), payload=payload, coding=coding, **fields),
            arrived,
        )
        return id_

    def leave(self) -> None:
        """Ends its connection."""
        self.connection.end("the peer left")

    # ── what it hears ─────────────────────────────────────────────────────────────────────

    def receive(self, data: bytes) -> None:
        """Takes in bytes; whatever the daemon writes is whole, good frames."""
        for item in split(self._assembly, data):
            assert isinstance(item, bytes), f"the daemon wrote what is no frame: {item}"
            frame = decode(item)
            self.heard.setdefault(frame.kind, []).append(frame)
            self.hear(frame)

    def hear(self, frame: Frame) -> None:
        """Judges one frame and reacts to it."""
        self._check_workspace(frame)
        if frame.kind in ENDS or (frame.kind == Kind.ERROR and frame.id in self.open):
            self._ended(frame)
        react = getattr(self, f"on_{Kind(frame.kind).name.lower()}", None)
        if react is not None:
            react(frame)

    def _check_workspace(self, frame: Frame) -> None:
        if frame.kind in (Kind.CALL, Kind.PROGRESS, Kind.REPLY, Kind.EVENT, Kind.CHANGE, Kind.OK):
            body = said(frame)
            there = body.get("w") if isinstance(body, dict) else None
            assert there in (None, self.workspace), f"{there} was heard in {self.workspace}"

    def _ended(self, frame: Frame) -> None:
        tokens = self.open.get(frame.id)
        assert tokens, f"{self.name} got a second outcome: {Kind(frame.kind).name} {frame.id}"
        token = tokens[0]
        if frame.kind == Kind.REPLY:
            body = said(frame)
            if isinstance(body, dict) and "t" in body:
                token = body["t"]
                assert token in tokens, f"a reply to {token} came as the answer to {tokens}"
                assert frame.stamp.decode() == body["by"], "a reply came from somebody else"
        elif frame.kind == Kind.ERROR:
            token = tokens[min(1, len(tokens) - 1)]  # the oldest that came too early
        tokens.remove(token)
        if not tokens:
            del self.open[frame.id]
        self.ended(frame, token)

    def ended(self, frame: Frame, token: str) -> None:
        """Takes in the outcome of one of its requests."""
        code = load(ErrorBody, frame.payload, "fail").code if frame.kind == Kind.FAIL else ""
        self.world.book.outcomes[code or Kind(frame.kind).name] += 1

    def on_welcome(self, frame: Frame) -> None:
        assert self.welcome is None, "welcome comes once"
        self.welcome = load(Welcome, frame.payload, "welcome")
        self.begin()

    def begin(self) -> None:
        """Does what it came for, once it is welcome."""

    def on_ping(self, frame: Frame) -> None:
        self.say(Frame(kind=Kind.PONG, id=frame.id))

    # ── at the end ────────────────────────────────────────────────────────────────────────

    @property
    def is_whole(self) -> bool:
        """Whether it is still connected, open, and has read everything."""
        connection = self.connection
        is_there = connection.is_open and not connection.was_lost and not connection.is_cut_off
        return is_there and self.welcome is not None

    def check(self) -> None:
        """Holds, at the end, what is true for a peer that was there to the end."""
        assert not self.open, f"{self.name} still waits for {self.open}"


class Listener(Peer):
    """Subscribes, unsubscribes, watches, and holds that nothing is lost without a word."""

    def __init__(self, world: World, workspace: str, name: str, **hello: Any) -> None:
        super().__init__(world, workspace, name, **hello)
        self.terms: dict[int, tuple[str, int, int | None]] = {}
        self.events: list[int] = []
        self.missed = 0
        self.last_seq = 0
        self.last_by: dict[str, int] = {}
        self.view: dict[str, tuple[int, bytes]] = {}
        self.revs: dict[str, int] = {}
        self.prefixes: list[str] = []

    @property
    def seq(self) -> int:
        """The workspace's number of the last event, as the router has it now."""
        workspace = self.connection.session.workspace
        assert workspace is not None
        return workspace.seq

    def sub(self, pattern: str) -> None:
        """Subscribes; what is published from its arrival on is owed to it."""

        def arrived() -> None:
            if self.connection.session.subscriptions.get(id_) == pattern:
                self.terms[id_] = (pattern, self.seq, None)

        id_ = self.ask(Kind.SUB, pattern, arrived=arrived)

    def unsub(self, id_: int) -> None:
        """Ends a subscription."""

        def arrived() -> None:
            pattern, since, _ = self.terms[id_]
            self.terms[id_] = (pattern, since, self.seq)

        self.say(Frame(kind=Kind.UNSUB, id=id_), arrived)

    def watch(self, prefix: str) -> None:
        """Watches the state below a prefix."""
        self.prefixes.append(prefix)
        self.ask(Kind.WATCH, prefix)

    def on_event(self, frame: Frame) -> None:
        assert frame.id > self.last_seq, f"{self.name}: event {frame.id} after {self.last_seq}"
        self.last_seq = frame.id
        self.events.append(frame.id)
        (time_us,) = STAMP_TIME.unpack_from(frame.stamp)
        assert time_us > 0
        body = said(frame)
        if isinstance(body, dict) and "n" in body:
            publisher = body["p"]
            assert body["n"] > self.last_by.get(publisher, 0), (
                "events of one publisher turned around"
            )
            self.last_by[publisher] = body["n"]

    def on_gap(self, frame: Frame) -> None:
        gap = load(Gap, frame.payload, "gap")
        assert gap.missed > 0
        assert self.last_seq < gap.from_ <= gap.to, "a gap stands where the loss happened"
        assert sum(gap.subjects.values()) <= gap.missed
        self.last_seq = gap.to
        self.missed += gap.missed

    def on_change(self, frame: Frame) -> None:
        options = load(EntryOptions, frame.options, "options")
        key = frame.name.decode()
        known = self.revs.get(key, 0)
        assert options.rev == frame.id
        if frame.flags & FLAG_KEPT:
            assert options.rev >= known, f"the snapshot of {key} went back to {options.rev}"
        else:
            assert options.rev > known, f"{key} went back from {known} to {options.rev}"
        self.revs[key] = options.rev
        if options.op == "del":
            self.view.pop(key, None)
        else:
            self.view[key] = (options.rev, frame.payload)

    def on_synced(self, frame: Frame) -> None:
        assert load(Synced, frame.payload, "synced").rev >= 0

    def check(self) -> None:
        super().check()
        self._check_events()
        self._check_view()

    def _check_events(self) -> None:
        from askrd.wire.names import pattern_matches

        events = self.world.book.events.get(self.workspace, [])
        owed = [
            event.seq
            for event in events
            if any(
                since < event.seq and (until is None or event.seq <= until)
                and pattern_matches(pattern, event.subject)
                for pattern, since, until in self.terms.values()
            )
        ]  # fmt: skip
        assert set(self.events) <= set(owed), f"{self.name} heard what it had not asked for"
        assert len(self.events) + self.missed == len(owed), (
            f"{self.name}: {len(self.events)} heard, {self.missed} missed, {len(owed)} published"
        )

    def _check_view(self) -> None:
        from askrd.wire.names import prefix_matches

        state = self.world.router.board.workspace(self.workspace).state
        watched = {
            key: (entry.rev, entry.value)
            for key, entry in state.entries.items()
            if any(prefix_matches(prefix, key) for prefix in self.prefixes)
        }
        assert self.view == watched, f"{self.name} sees another state than there is"


class Auditor(Listener):
    """Hears everything in its workspace, in time; the truth others are compared with."""

    is_wide = True

    def begin(self) -> None:
        self.world.book.events[self.workspace] = []
        self.world.book.changes[self.workspace] = []
        self.sub("**")
        self.sub("$askr.**")
        self.watch("")

    def on_event(self, frame: Frame) -> None:
        if self.last_seq:
            assert frame.id == self.last_seq + 1, "the auditor missed an event"
        super().on_event(frame)
        self.world.book.events[self.workspace].append(Heard(frame.id, frame.name.decode()))

    def on_change(self, frame: Frame) -> None:
        super().on_change(frame)
        key = frame.name.decode()
        changes = self.world.book.changes[self.workspace]
        assert not changes or frame.id == changes[-1].rev + 1, "a revision was skipped"
        value = None if load(EntryOptions, frame.options, "options").op == "del" else frame.payload
        changes.append(Changed(frame.id, key, value))

    def on_gap(self, frame: Frame) -> None:
        raise AssertionError("the auditor is never late")

    def wipe(self) -> None:
        """Deletes some entries."""
        for key in list(self.view)[:8]:
            self.ask(Kind.DEL, key)


def said(frame: Frame) -> Any:
    """Returns a frame's payload as JSON, or None when it is none."""
    if frame.coding != Coding.JSON:
        return None
    try:
        return msgspec.json.decode(frame.payload)
    except msgspec.DecodeError:
        return None
