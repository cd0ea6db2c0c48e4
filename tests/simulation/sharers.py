"""Who listens in other ways than plainly: groups, what was before, the newest only, answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from askrd.wire.bodies import Emitted, EventOptions, Gap, dump, load
from askrd.wire.frames import FLAG_KEPT, STAMP_TIME, Coding, Frame, Kind
from askrd.wire.names import pattern_matches
from tests.simulation.peers import Peer

if TYPE_CHECKING:
    from tests.simulation.world import World

SUBJECTS = ("news.a", "news.b", "news.c.d", "door.front", "door.back")
PATTERNS = ("news.*", "news.**", "door.*", "door.front", "**")
POLICIES = ("", "", "least", "random", "hash", "first", "weighted")


@dataclass
class Term:
    """One subscription as its peer knows it.

    Attributes:
        pattern: what it listens to. wants: its options.
        is_plain: whether its live events come without `sub`.
        arrived_us: when the router took it in, Unix µs; since_seq: the last event then.
        kept: what came as stored earlier. live: what came since, in its own frames.
        missed: events that its own gap said may be missing.
    """

    pattern: str
    wants: dict[str, Any]
    arrived_us: int = 0
    since_seq: int = 0
    kept: list[int] = field(default_factory=list)
    live: list[int] = field(default_factory=list)
    newest: dict[str, int] = field(default_factory=dict)
    missed: int = 0
    is_over: bool = False

    @property
    def is_plain(self) -> bool:
        return "group" not in self.wants and self.wants.get("when_full") != "conflate"


class Sharer(Peer):
    """Listens in every way but the plain one, emits in every way, and answers what it is asked."""

    def __init__(self, world: World, workspace: str, name: str, **hello: Any) -> None:
        super().__init__(world, workspace, name, **hello)
        self.terms: dict[int, Term] = {}
        self.collecting: dict[int, int] = {}
        self.dropped = 0
        self.last_plain = 0
        self.plain: set[int] = set()
        self.number = 0
        self.publisher = f"{name}.{self.connection.index}"

    def begin(self) -> None:
        for _ in range(self.world.chance.randint(1, 3)):
            self._sub()
        self._live()

    def _live(self) -> None:
        chance = self.world.chance
        if self.world.is_busy and self.is_there and self.requests < 90:
            chance.choice((self._emit, self._emit, self._emit, self._sub, self._unsub))()
            self.world.later(chance.randint(20_000, 400_000), self._live)

    # ── what it says ──────────────────────────────────────────────────────────────────────

    def _sub(self) -> None:
        chance = self.world.chance
        wants: dict[str, Any] = {}
        way = chance.random()
        if way < 0.4:
            wants["group"] = chance.choice(("g", "h"))
            wants["weight"] = chance.randint(1, 3)
            if policy := chance.choice(POLICIES):
                wants["policy"] = policy
        else:
            wants["retained"] = chance.random() < 0.5
            if chance.random() < 0.7:
                wants["since_ms"] = chance.choice((50, 500, 3_000, 60_000))
            elif chance.random() < 0.3:
                seq = max(0, self.last_plain + chance.choice((-9, 0, 1_000)))
                wants["after"] = {"epoch": "e", "seq": seq}
            if way < 0.6:
                wants["when_full"] = "conflate"
        term = Term(chance.choice(PATTERNS), wants)

        def arrived() -> None:
            if id_ in self.session.subscriptions or id_ in self.session.hearings:
                self.terms[id_] = term
                term.arrived_us = self.world.wall_us
                term.since_seq = self.session.in_open_workspace.seq

        id_ = self.ask(Kind.SUB, term.pattern, options=dump(wants), arrived=arrived)

    def _unsub(self) -> None:
        ids = [id_ for id_, term in self.terms.items() if not term.is_over]
        if ids:
            id_ = self.world.chance.choice(ids)
            self.terms[id_].is_over = True
            self.say(Frame(kind=Kind.UNSUB, id=id_))

    def _emit(self) -> None:
        chance = self.world.chance
        self.number += 1
        subject = chance.choice(SUBJECTS)
        size = chance.choice((0, 0, 40, 40, 300, 1_800, 2_200))
        body = {"w": self.workspace, "p": self.publisher, "n": self.number, "pad": "x" * size}
        way = chance.random()
        if way < 0.3:
            self._retain(subject, body if chance.random() < 0.8 else None)
        elif way < 0.5:
            self._collect(subject, body)
        elif way < 0.8:
            self.say(
                Frame(kind=Kind.EMIT, name=subject.encode(), payload=dump(body), coding=Coding.JSON)
            )
        else:
            self.ask(Kind.EMIT, subject, body)

    def _retain(self, subject: str, body: Any) -> None:
        options = dump({"retain": True})
        if self.world.chance.random() < 0.5:
            self.ask(Kind.EMIT, subject, body, options=options)
            return
        payload, coding = (b"", Coding.NONE) if body is None else (dump(body), Coding.JSON)
        self.say(
            Frame(
                kind=Kind.EMIT,
                name=subject.encode(),
                payload=payload,
                coding=coding,
                options=options,
            )
        )

    def _collect(self, subject: str, body: Any) -> None:
        ttl_ms = self.world.chance.choice((0, 100, 700))
        options = dump({"collect": True})
        id_ = self.ask(Kind.EMIT, subject, body, options=options, ttl_ms=ttl_ms)
        self.collecting[id_] = 0

    # ── what it hears ─────────────────────────────────────────────────────────────────────

    def on_answer(self, frame: Frame) -> None:
        assert frame.id in self.open, "an answer after the end"
        self.collecting[frame.id] += 1
        self.world.book.outcomes["answer"] += 1

    def ended(self, frame: Frame, token: str) -> None:
        super().ended(frame, token)
        if frame.kind == Kind.EMITTED and frame.id in self.collecting:
            body = load(Emitted, frame.payload, "emitted")
            count = self.collecting.pop(frame.id)
            assert body.answers == count <= body.receivers, "answers are counted wrong"
            self.world.book.outcomes["collected"] += 1

    def on_event(self, frame: Frame) -> None:
        told = load(EventOptions, frame.options or b"{}", "options")
        (time_us,) = STAMP_TIME.unpack_from(frame.stamp)
        assert time_us > 0
        if told.sub:
            self._own(frame, told.sub, time_us)
        else:
            assert not frame.flags & FLAG_KEPT
            assert frame.id > self.last_plain, "a live event came twice, or too late"
            self.last_plain = frame.id
            self.plain.add(frame.id)
            for term in self.terms.values():
                assert not term.is_plain or frame.id not in term.kept, "an event came twice"
        if told.answer and self.world.chance.random() < 0.8:
            self._answer(told.answer)

    def _answer(self, id_: int) -> None:
        is_said = self.world.chance.random() < 0.7
        payload, coding = (b"1", Coding.JSON) if is_said else (b"", Coding.NONE)
        self.say(Frame(kind=Kind.ANSWER, id=id_, payload=payload, coding=coding))

    def _own(self, frame: Frame, sub: int, time_us: int) -> None:
        term = self.terms[sub]
        subject = frame.name.decode()
        assert pattern_matches(term.pattern, subject)
        assert frame.id not in term.kept, "an event came twice"
        assert frame.id not in term.live, "an event came twice"
        if frame.flags & FLAG_KEPT:
            assert not term.live, "what was before came after what happens now"
            assert "group" not in term.wants
            term.kept.append(frame.id)
            if not term.wants["retained"]:
                self._check_asked(frame.id, time_us, term)
            self.world.book.outcomes["kept event"] += 1
            return
        assert not term.is_plain, "a live event in a frame of its own"
        term.live.append(frame.id)
        if "group" in term.wants:
            place = (self.workspace, term.pattern, term.wants["group"], frame.id)
            assert place not in self.world.book.grouped, f"two members of {place} got one event"
            self.world.book.grouped.add(place)
        else:
            assert frame.id > term.newest.get(subject, 0), "a subject went back"
            term.newest[subject] = frame.id

    def _check_asked(self, seq: int, time_us: int, term: Term) -> None:
        """Holds that an event from before is one it asked for."""
        if "after" in term.wants:
            assert seq > term.wants["after"]["seq"]
        else:
            cut_us = term.arrived_us - term.wants["since_ms"] * 1000
            assert time_us >= cut_us, "it did not ask for what is so old"

    def on_gap(self, frame: Frame) -> None:
        gap = load(Gap, frame.payload, "gap")
        assert gap.missed > 0
        assert gap.from_ <= gap.to
        sub = load(EventOptions, frame.options or b"{}", "options").sub
        if sub:
            assert not self.terms[sub].kept, "its gap comes first"
            self.terms[sub].missed += gap.missed
            self.world.book.outcomes["gap of what was"] += 1
        else:
            self.dropped += gap.missed

    # ── at the end ────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        super().check()
        for term in self.terms.values():
            if term.is_plain:
                self._check_before(term)
            if term.wants.get("when_full") == "conflate" and not term.is_over:
                self._check_newest(term)

    def _check_before(self, term: Term) -> None:
        """Holds that everything it asked for came, or was said to be missing."""
        if not {"since_ms", "after"} & term.wants.keys():
            return
        behind = term.wants["after"]["seq"] if "after" in term.wants else 0
        cut_us = term.arrived_us - term.wants.get("since_ms", 60_000_000) * 1000
        owed = {
            event.seq
            for event in self.world.book.events.get(self.workspace, [])
            if cut_us <= event.time_us
            and behind < event.seq <= term.since_seq
            and pattern_matches(term.pattern, event.subject)
        }
        lost = owed - set(term.kept) - self.plain
        assert len(lost) <= term.missed + self.dropped, f"{self.name} misses {lost} without a word"

    def _check_newest(self, term: Term) -> None:
        """Holds that the newest event of each subject came, whatever else did not."""
        newest = {
            event.subject: event.seq
            for event in self.world.book.events.get(self.workspace, [])
            if event.seq > term.since_seq and pattern_matches(term.pattern, event.subject)
        }
        heard = {subject: term.newest.get(subject) for subject in newest}
        assert heard == newest, f"{self.name} has not the newest of each subject"
