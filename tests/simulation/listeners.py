"""Who hears events and watches the state, and holds that nothing is lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from askrd.wire.bodies import EventOptions, Gap, dump, load
from askrd.wire.frames import FLAG_KEPT, STAMP_TIME, Frame, Kind
from askrd.wire.names import pattern_matches, prefix_matches
from askrd.wire.state import EntryOptions, Synced
from tests.simulation.checks import Changed, Heard
from tests.simulation.peers import Peer, said

if TYPE_CHECKING:
    from tests.simulation.world import World


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

        plainly = dump({"retained": False})
        id_ = self.ask(Kind.SUB, pattern, options=plainly, arrived=arrived)

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
        answer = load(EventOptions, frame.options or b"{}", "options").answer
        if answer:
            self.say(Frame(kind=Kind.ANSWER, id=answer))
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
        (time_us,) = STAMP_TIME.unpack_from(frame.stamp)
        heard = Heard(frame.id, frame.name.decode(), time_us)
        self.world.book.events[self.workspace].append(heard)
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
        """Deletes some entries, and has no subject retain an event any more."""
        for key in list(self.view)[:8]:
            self.ask(Kind.DEL, key)
        for event in self.session.in_open_workspace.retained.matching("**"):
            name = event.subject.decode()
            self.ask(Kind.EMIT, name, options=dump({"retain": True}))
