"""Who lives in a simulated world: peers that keep the rules, and that watch that the daemon does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from askrd.wire.bodies import ErrorBody, Welcome, dump, load
from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import FLAG_MORE, Coding, Frame, Kind
from askrd.wire.limits import MIB, OVERHEAD_BYTES_MAX

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
        start = self._confirm(frame.id)
        # What is too large is counted away piece by piece; nobody can come back within it.
        is_counted_away = bool(self._tail) and len(self._tail[0][1].payload) > OVERHEAD_BYTES_MAX
        assert start == frame.id or is_counted_away, "half a frame is said to have arrived"

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


def said(frame: Frame) -> Any:
    """Returns a frame's payload as JSON, or None when it is none."""
    if frame.coding != Coding.JSON:
        return None
    try:
        return msgspec.json.decode(frame.payload)
    except msgspec.DecodeError:
        return None
