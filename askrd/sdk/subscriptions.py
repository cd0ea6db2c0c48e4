"""Which listeners an event is for: the daemon sends it once, this side finds all who want it."""

from collections.abc import Callable
from typing import Any

from askrd.sdk.values import Event, Gap
from askrd.wire.errors import AskrError
from askrd.wire.frames import Frame
from askrd.wire.limits import SUBJECTS_CACHED_MAX
from askrd.wire.names import pattern_matches


class Subscription:
    """One listener with all its patterns; an event reaches it once.

    Attributes:
        deliver: called with each event and gap; it must not block and must not raise.
        fail: called when the daemon no longer serves it; nothing follows.
    """

    __slots__ = ("deliver", "fail")

    def __init__(
        self,
        deliver: Callable[[Event[Any] | Gap], None],
        fail: Callable[[AskrError], None],
    ) -> None:
        self.deliver = deliver
        self.fail = fail


class Subscriptions:
    """The patterns of one conversation, by the id each has on the wire."""

    __slots__ = ("_by_id", "_wanted")

    def __init__(self) -> None:
        """Starts without patterns."""
        self._by_id: dict[int, tuple[str, Subscription]] = {}
        self._wanted: dict[bytes, tuple[Subscription, ...]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._by_id

    def add(self, id_: int, pattern: str, subscription: Subscription) -> None:
        """Adds a pattern of ``subscription`` under its id."""
        self._by_id[id_] = (pattern, subscription)
        self._wanted.clear()

    def remove(self, id_: int) -> Subscription | None:
        """Takes the pattern away; nothing happens when it is gone already."""
        found = self._by_id.pop(id_, None)
        self._wanted.clear()
        return found[1] if found else None

    def deliver(self, frame: Frame) -> None:
        """Hands an `event` frame to everyone who wants it."""
        wanted = self._wanted.get(frame.name)
        if wanted is None:
            wanted = self._find(frame.name)
        if wanted:
            event: Event[Any] = Event(frame)
            for subscription in wanted:
                subscription.deliver(event)

    def tell_gap(self, gap: Gap) -> None:
        """Hands a gap to everyone who may have wanted a lost event."""
        named = sum(gap.subjects.values()) == gap.missed
        for subscription, patterns in self._patterns().items():
            concerned = not named or any(
                pattern_matches(pattern, subject)
                for pattern in patterns
                for subject in gap.subjects
            )
            if concerned:
                subscription.deliver(gap)

    def fail(self, error: AskrError) -> None:
        """Ends every subscription."""
        gone = list(self._patterns())
        self._by_id.clear()
        self._wanted.clear()
        for subscription in gone:
            subscription.fail(error)

    def _patterns(self) -> dict[Subscription, list[str]]:
        found: dict[Subscription, list[str]] = {}
        for pattern, subscription in self._by_id.values():
            found.setdefault(subscription, []).append(pattern)
        return found

    def _find(self, name: bytes) -> tuple[Subscription, ...]:
        subject = name.decode("utf-8", "replace")
        wanted = tuple(
            subscription
            for subscription, patterns in self._patterns().items()
            if any(pattern_matches(pattern, subject) for pattern in patterns)
        )
        if len(self._wanted) >= SUBJECTS_CACHED_MAX:
            self._wanted.clear()
        self._wanted[name] = wanted
        return wanted
