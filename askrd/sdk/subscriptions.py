"""Which listeners an event is for: the daemon sends it once, this side finds all who want it.

It also knows how far each of them has heard, so that a new session goes on behind that.
"""

from collections.abc import Callable, Iterator
from typing import Any

from askrd.sdk import composition
from askrd.sdk.hearing import PLAIN, Hearing
from askrd.sdk.receipts import Asking, Receipt, Return, Way
from askrd.sdk.values import Event, Gap, MarkedEvent
from askrd.wire.bodies import EventOptions, Place, Subbed, load
from askrd.wire.codec import encode
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.frames import FLAG_KEPT, Frame, Kind
from askrd.wire.limits import SUBJECTS_CACHED_MAX
from askrd.wire.names import pattern_matches


class Subscription:
    """One listener with all its patterns; an event reaches it once.

    Attributes:
        deliver: called with each event and gap; it must not block and must not raise.
        fail: called when the daemon no longer serves it; nothing follows.
        kept: numbers of the events that were told to it from memory in this session.
    """

    __slots__ = ("deliver", "fail", "kept")

    def __init__(
        self,
        deliver: Callable[[Event[Any] | Gap], None],
        fail: Callable[[AskrError], None],
    ) -> None:
        self.deliver = deliver
        self.fail = fail
        self.kept: set[int] = set()


class Heard:
    """One pattern of a subscription, and how far it has heard.

    Attributes:
        pattern: what it listens to.
        subscription: whose it is.
        wanted: how it hears.
        after: behind which event it goes on once the daemon has confirmed it in this session, or
            in the next one; None = it begins anew, or has gone on.
        seq: number of the last event that was told to it alone; 0 = none was.
        floor: number of the last event before the daemon confirmed it: what is numbered above
            comes behind all that it is told of the past.
        log_seq: number of the last event of a log.
        held: numbers of a log's events that wait here and are acknowledged by themselves.
        is_confirmed: whether the daemon has begun it in this session.
        is_paused: whether the daemon was asked to stop for a while.
        is_whole: whether all came that was retained.
        looks_back: whether events come first that are remembered.
    """

    __slots__ = (
        "after",
        "floor",
        "held",
        "is_confirmed",
        "is_paused",
        "is_whole",
        "log_seq",
        "looks_back",
        "name",
        "pattern",
        "seq",
        "subscription",
        "wanted",
    )

    def __init__(self, pattern: str, subscription: Subscription, wanted: Hearing = PLAIN) -> None:
        """Prepares.

        Raises:
            BadRequest: it is no pattern.
        """
        self.name = composition.pattern_bytes(pattern)
        self.pattern = pattern
        self.subscription = subscription
        self.wanted = wanted
        self.after: Place | None = None
        self.looks_back = bool(wanted.since_ms)
        self.is_confirmed = self.is_paused = self.is_whole = False
        self.held: set[int] = set()
        self.seq = self.floor = self.log_seq = 0

    @property
    def is_live(self) -> bool:
        """Whether it gets the events that are for everybody."""
        return self.is_confirmed or (self.after is None and not self.wanted.options())

    def frame(self, id_: int) -> bytes:
        """Returns the `sub` that begins it, or has it go on."""
        self.looks_back = bool(self.wanted.since_ms) or self.after is not None
        self.is_whole = self.is_whole and self.after is not None
        wanted = self.wanted.behind(self.log_seq)
        options = wanted.options(self.after, is_whole=self.is_whole)
        return encode(Frame(kind=Kind.SUB, id=id_, name=self.name, options=options))

    def tell_gap(self) -> None:
        """Says that events may have been missed."""
        self.subscription.deliver(Gap(None))


class Subscriptions:
    """The patterns of one conversation, by the id each has on the wire."""

    __slots__ = ("_asking", "_by_id", "_epoch", "_home", "_seq", "_wanted", "_way")

    def __init__(self, home: Return, way: Callable[[], Way]) -> None:
        """Starts without patterns.

        Args:
            home: where receipts of events are sent.
            way: how the program hears of that.
        """
        self._by_id: dict[int, Heard] = {}
        self._wanted: dict[bytes, tuple[Subscription, ...]] = {}
        self._home = home
        self._way = way
        self._seq = 0
        self._epoch = ""
        self._asking = Asking()

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._by_id

    def add(self, id_: int, heard: Heard) -> None:
        """Adds a pattern under its id."""
        self._by_id[id_] = heard
        self._wanted.clear()

    def remove(self, id_: int) -> Heard | None:
        """Takes the pattern away; nothing happens when it is gone already."""
        found = self._by_id.pop(id_, None)
        self._wanted.clear()
        return found

    def find(self, id_: int) -> Heard | None:
        """Returns the pattern of this id; None when there is none."""
        return self._by_id.get(id_)

    def all(self) -> Iterator[tuple[int, Heard]]:
        """Yields every pattern with its id."""
        yield from self._by_id.items()

    # --- one session after another ----------------------------------------------------------

    def confirmed(self, frame: Frame) -> None:
        """Takes in a `subbed`: what follows for everybody is for this pattern too."""
        heard = self._by_id.get(frame.id)
        if heard is None:
            return
        heard.after = None
        heard.is_confirmed = True
        begun = _begun_behind(frame)
        heard.floor = max(self._seq, begun)
        if not heard.looks_back:  # What comes from memory is still to come, and is numbered below.
            heard.seq = max(heard.seq, begun)
        self._wanted.clear()

    def remember(self) -> None:
        """Takes note behind which event each pattern goes on when a new session begins."""
        for heard in self._by_id.values():
            if heard.wanted.group or heard.wanted.log:
                continue
            is_told_all = heard.is_confirmed and not heard.wanted.is_apart
            if is_told_all and self._seq > heard.floor:
                heard.seq = max(heard.seq, self._seq)
                heard.is_whole = True
            if heard.seq:
                heard.after = Place(epoch=self._epoch, seq=heard.seq)

    def resumed(self) -> None:
        """Takes note that the session goes on: who had begun has missed nothing."""
        for heard in self._by_id.values():
            if heard.is_confirmed:
                heard.after = None

    def begin(self, epoch: str, *, is_first: bool) -> None:
        """Takes note that a session begins; who cannot go on where it was is told of the gap."""
        self._asking.is_over = True
        self._asking = Asking()
        if epoch != self._epoch:
            self._epoch, self._seq = epoch, 0
            for heard in self._by_id.values():
                heard.seq = 0
        torn: dict[Subscription, Heard] = {}
        for heard in self._by_id.values():
            if heard.is_whole or heard.after is None or heard.after.epoch != epoch:
                heard.subscription.kept.clear()
            heard.is_confirmed = False
            if heard.after is None and not heard.wanted.log:
                torn[heard.subscription] = heard
        self._wanted.clear()
        if not is_first:
            for heard in torn.values():
                heard.tell_gap()

    def begin_anew(self, id_: int, heard: Heard, *, is_gone: bool) -> bytes:
        """Has a pattern begin although it was to go on behind an event; returns its `sub`.

        Args:
            id_: its id.
            heard: which one.
            is_gone: whether the daemon said that it no longer knows the event: when it was
                started again, everything since then is wanted.
        """
        is_new = heard.after is not None and heard.after.epoch != self._epoch
        heard.after = Place(epoch=self._epoch, seq=0) if is_gone and is_new else None
        self._wanted.clear()
        heard.tell_gap()
        return heard.frame(id_)

    def fail(self, error: AskrError) -> None:
        """Ends every subscription."""
        gone = list(self._patterns())
        self._by_id.clear()
        self._wanted.clear()
        for subscription in gone:
            subscription.fail(error)

    # --- delivering -------------------------------------------------------------------------

    def deliver(self, frame: Frame) -> None:
        """Hands an `event` frame to everyone who wants it."""
        if frame.options:
            self._deliver_marked(frame)
            return
        self._seq = frame.id
        wanted = self._wanted.get(frame.name)
        if wanted is None:
            wanted = self._find(frame.name)
        if wanted:
            event: Event[Any] = Event(frame)
            for subscription in wanted:
                subscription.deliver(event)

    def _deliver_marked(self, frame: Frame) -> None:
        """Hands out an event that is for one subscription, or wants something back."""
        options = _options_in(frame)
        wanted = self._wanted_by(frame, options)
        if not wanted:
            if options.answer:
                self._home.answer(options.answer, b"", 0)
            return
        heard = self._by_id.get(options.sub)
        how = PLAIN if heard is None else heard.wanted
        receipt = Receipt(
            options,
            self._home,
            self._way(),
            wants_ack=bool(how.consumer) and how.ack,
            is_auto=how.is_auto,
            due=len(wanted),
            held=None if heard is None else heard.held,
            asking=self._asking,
        )
        event: Event[Any] = MarkedEvent(frame, receipt)
        for subscription in wanted:
            subscription.deliver(event)

    def _wanted_by(self, frame: Frame, options: EventOptions) -> tuple[Subscription, ...]:
        if not options.sub:
            self._seq = frame.id
            return self._wanted.get(frame.name) or self._find(frame.name)
        heard = self._by_id.get(options.sub)
        if heard is None:
            return ()
        subscription = heard.subscription
        if options.log_seq:
            if options.log_seq <= heard.log_seq and not heard.wanted.consumer:
                return ()  # it was on its way when the log was paused
            if heard.wanted.is_auto:
                if options.log_seq in heard.held:
                    return ()  # it waits here still: one acknowledgement is for both
                heard.held.add(options.log_seq)
            heard.log_seq = options.log_seq
        elif frame.flags & FLAG_KEPT:
            if frame.id in subscription.kept:
                return ()
            subscription.kept.add(frame.id)
        if not options.log_seq and not options.retained:
            heard.seq = max(heard.seq, frame.id)
            heard.is_whole = True  # what is retained comes first
        return (subscription,)

    def tell_gap(self, gap: Gap, options: bytes = b"") -> None:
        """Hands a gap to everyone who may have wanted a lost event, or to whom it is for."""
        sub = _options_in(Frame(kind=Kind.GAP, options=options)).sub if options else 0
        if sub:
            if heard := self._by_id.get(sub):
                heard.subscription.deliver(gap)
            return
        named = sum(gap.subjects.values()) == gap.missed
        for subscription, patterns in self._patterns().items():
            concerned = not named or any(
                pattern_matches(pattern, subject)
                for pattern in patterns
                for subject in gap.subjects
            )
            if concerned:
                subscription.deliver(gap)

    def _patterns(self) -> dict[Subscription, list[str]]:
        found: dict[Subscription, list[str]] = {}
        for heard in self._by_id.values():
            found.setdefault(heard.subscription, []).append(heard.pattern)
        return found

    def _find(self, name: bytes) -> tuple[Subscription, ...]:
        """Returns who wants the events of this name that are for everybody."""
        subject = name.decode("utf-8", "replace")
        wanted = tuple(
            {
                heard.subscription: None
                for heard in self._by_id.values()
                if heard.is_live
                and not heard.wanted.is_apart
                and pattern_matches(heard.pattern, subject)
            }
        )
        if len(self._wanted) >= SUBJECTS_CACHED_MAX:
            self._wanted.clear()
        self._wanted[name] = wanted
        return wanted


def _begun_behind(frame: Frame) -> int:
    try:
        return load(Subbed, frame.payload or b"{}", "subbed").seq
    except BadRequest:
        return 0


def _options_in(frame: Frame) -> EventOptions:
    """Returns the OPTIONS of a frame; defaults when the daemon says something else."""
    try:
        return load(EventOptions, frame.options, "options")
    except BadRequest:
        return EventOptions()
