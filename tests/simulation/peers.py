"""Who lives in a simulated world: peers that keep the rules, and that watch that the daemon does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from askrd.wire.bodies import EntryOptions, ErrorBody, Gap, Synced, Welcome, dump, load
from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import FLAG_KEPT, FLAG_MORE, STAMP_TIME, Coding, Frame, Kind
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
        self.returns = 0
        self.is_away = False
        self._received = 0
        self._sent = 0
        self._tail: deque[tuple[int, Frame, Callable[[], None] | None]] = deque()
        self._assembly = Assembly(8 * MIB)
        world.peers.append(self)
        self.connection: Connection = world.connect(self, is_wide=self.is_wide)
        self.session = self.connection.session

    def start(self) -> None:
        """Says hello."""
        body = {"v": 1, "name": self.name, "workspace": self.workspace, "roster": self.wants_roster}
        self._greet(body | self._hello)

    def _greet(self, body: dict[str, Any]) -> None:
        hello = Frame(kind=Kind.HELLO, payload=dump(body), coding=Coding.JSON)
        self.connection.send(encode(hello))

    def say(self, frame: Frame, arrived: Callable[[], None] | None = None) -> None:
        """Sends a frame that is no request; while it is away, as soon as it is back."""
        data = encode(frame)
        if self.is_resumable:
            self._sent += len(data)
            self._tail.append((self._sent, frame, arrived))
        if not self.is_away:
            self.connection.send(data, arrived)

    # ── going away, and coming back ───────────────────────────────────────────────────────

    @property
    def is_resumable(self) -> bool:
        """Whether it says that it may come back."""
        return bool(self._hello.get("resumable"))

    @property
    def is_there(self) -> bool:
        """Whether it lives: it is connected, or on its way back."""
        return self.connection.is_open or self.is_away

    def go_away(self, for_us: int) -> None:
        """Loses its connection, whether the daemon hears of it or not, and comes back later."""
        self.is_away = self.connection.is_abandoned = True
        self._assembly = Assembly(8 * MIB)
        self.world.later(for_us, self._come_back)

    def _come_back(self) -> None:
        assert self.welcome is not None
        self.connection = self.world.connect(self, is_wide=self.is_wide)
        self._greet(
            {"v": 1, "name": self.name, "workspace": self.workspace, "roster": self.wants_roster}
            | self._hello
            | {"instance": self.welcome.instance, "resume": self.welcome.resume}
            | {"received": self._received}
        )

    def _welcomed_back(self, welcome: Welcome) -> None:
        """Goes on where the daemon is, or ends when it has begun anew."""
        self.is_away = False
        if not welcome.resumed:
            self.world.book.outcomes["not resumed"] += 1
            self.connection.was_lost = True
            self.leave()
            return
        assert self.connection.session is self.session, "another session goes on"
        self.world.book.outcomes["resumed"] += 1
        self.returns += 1
        start = self._confirm(welcome.received)
        assert start == welcome.received, f"the daemon is at {welcome.received}, within a frame"
        for _, frame, arrived in self._tail:
            self.connection.send(encode(frame), arrived)
        self.returned()

    def _confirm(self, received: int) -> int:
        """Forgets what the daemon has; returns where the first frame begins that it has not."""
        assert received <= self._sent, "the daemon got what nobody sent"
        while self._tail and self._tail[0][0] <= received:
            self._tail.popleft()
        return self._tail[0][0] - len(encode(self._tail[0][1])) if self._tail else self._sent

    def returned(self) -> None:
        """Does what is to be done once it is back."""

    def on_resumed(self, frame: Frame) -> None:
        self._confirm(frame.id)

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
            if frame.kind not in (Kind.WELCOME, Kind.RESUMED):
                self._received += len(item)
            self.hear(frame)

    def hear(self, frame: Frame) -> None:
        """Judges one frame and reacts to it."""
        self._check_workspace(frame)
        if frame.kind in (Kind.REPLY, Kind.FAIL) and frame.flags & FLAG_MORE:
            assert frame.id in self.open, f"{self.name} got a row of {frame.id} after its outcome"
            self.row(frame)
            return
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
        token = self.token_of(frame, tokens)
        tokens.remove(token)
        if not tokens:
            del self.open[frame.id]
        self.ended(frame, token)

    def token_of(self, frame: Frame, tokens: list[str]) -> str:
        """Returns which of the requests under one id an outcome belongs to."""
        if frame.kind == Kind.ERROR:
            return tokens[min(1, len(tokens) - 1)]  # the oldest that came too early
        body = said(frame) if frame.kind == Kind.REPLY else None
        if not isinstance(body, dict) or "t" not in body:
            return tokens[0]
        token: str = body["t"]
        assert token in tokens, f"a reply to {token} came as the answer to {tokens}"
        assert frame.stamp.decode() == body["by"], "a reply came from somebody else"
        return token

    def row(self, frame: Frame) -> None:
        """Takes in one row of a survey."""

    def ended(self, frame: Frame, token: str) -> None:
        """Takes in the outcome of one of its requests."""
        code = load(ErrorBody, frame.payload, "fail").code if frame.kind == Kind.FAIL else ""
        self.world.book.outcomes[code or Kind(frame.kind).name] += 1

    def on_welcome(self, frame: Frame) -> None:
        welcome = load(Welcome, frame.payload, "welcome")
        if self.is_away:
            self._welcomed_back(welcome)
            return
        assert self.welcome is None, "welcome comes once"
        assert not welcome.resumed
        self.welcome = welcome
        self.begin()

    def begin(self) -> None:
        """Does what it came for, once it is welcome."""

    def on_ping(self, frame: Frame) -> None:
        self.say(Frame(kind=Kind.PONG, id=frame.id))
        if self.is_resumable and self.world.chance.random() < 0.7:
            self.connection.send(encode(Frame(kind=Kind.RESUME, id=self._received)))

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
        workspace = self.session.workspace
        assert workspace is not None
        return workspace.seq

    def sub(self, pattern: str) -> None:
        """Subscribes; what is published from its arrival on is owed to it."""

        def arrived() -> None:
            if self.session.subscriptions.get(id_) == pattern:
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
        if frame.name == b"$askr.command.failed":
            news = said(frame)
            if "t" in news["error"]["details"]:
                by = f"{news['service']}@{news['instance']}"
                self.world.book.failed_later[news["error"]["details"]["t"], by] += 1

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
