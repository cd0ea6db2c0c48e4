"""What arrived and nobody has read yet: bounded, and honest about what it had to drop."""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from askrd.sdk.values import Change, Event, Gap, Synced
from askrd.wire.limits import GAP_SUBJECTS_MAX

Told = Event[Any] | Gap
Item = TypeVar("Item")

EVENTS_MAX = 10_000
"""Events that wait for one slow reader in this process."""
LOG_PAUSED_ABOVE = 2_000
LOG_GOES_ON_BELOW = 200
LOG_EVENTS_WAITING_MAX = 50_000
"""As above for a log: what was on its way when it was asked to stop has room, too."""


def _nobody() -> None:
    """Stands where no log is read yet."""


class Backlog(Protocol[Item]):
    """A bounded queue that knows what to do when it is full."""

    def __len__(self) -> int:
        """Returns how many items wait."""
        ...

    def put(self, item: Item) -> None:
        """Adds an item."""
        ...

    def take(self) -> Item:
        """Returns the oldest item."""
        ...


class EventBacklog:
    """Events and gaps in the order they came; when full the oldest go and a gap takes their place."""

    __slots__ = ("_first", "_items", "_items_max", "_last", "_missed", "_subjects", "_unsure")

    def __init__(self, items_max: int = EVENTS_MAX) -> None:
        """Starts empty; ``items_max`` is how many items may wait."""
        self._items: deque[Told] = deque()
        self._items_max = items_max
        self._missed = self._first = self._last = 0
        self._subjects: dict[str, int] = {}
        self._unsure = False

    def __len__(self) -> int:
        return len(self._items) + (self._missed > 0 or self._unsure)

    def put(self, item: Told) -> None:
        """Adds an item; when there is no room the oldest one is dropped and counted."""
        items = self._items
        items.append(item)
        if len(items) > self._items_max:
            self._drop(items.popleft())

    def take(self) -> Told:
        """Returns the oldest item, or first the gap where older ones were.

        Raises:
            IndexError: nothing waits.
        """
        if self._missed or self._unsure:
            missed = None if self._unsure else self._missed
            gap = Gap(missed, self._first, self._last, self._subjects)
            self._forget()
            return gap
        return self._items.popleft()

    def _drop(self, item: Told) -> None:
        if isinstance(item, Event):
            self._count(item.seq, item.seq, 1, {item.subject: 1})
        else:
            self._unsure |= item.missed is None
            self._count(item.from_seq, item.to_seq, item.missed or 0, item.subjects)

    def _count(self, first: int, last: int, missed: int, subjects: dict[str, int]) -> None:
        self._missed += missed
        self._first = self._first or first
        self._last = max(self._last, last)
        for subject, count in subjects.items():
            if subject in self._subjects or len(self._subjects) < GAP_SUBJECTS_MAX:
                self._subjects[subject] = self._subjects.get(subject, 0) + count

    def _forget(self) -> None:
        self._missed = self._first = self._last = 0
        self._subjects = {}
        self._unsure = False


class LogBacklog(EventBacklog):
    """Events of a log that nobody acknowledges: while many wait the log is asked to stop.

    Nothing of a log need be lost to a slow reader: it goes on behind what was read.

    Attributes:
        pause: called when enough events wait.
        go_on: called when few are left.
    """

    __slots__ = ("_is_paused", "go_on", "pause")

    def __init__(self) -> None:
        """Starts empty."""
        super().__init__(LOG_EVENTS_WAITING_MAX)
        self.pause: Callable[[], None] = _nobody
        self.go_on: Callable[[], None] = _nobody
        self._is_paused = False

    def put(self, item: Told) -> None:
        """Adds an item; the log stops when that is enough."""
        super().put(item)
        if not self._is_paused and len(self) >= LOG_PAUSED_ABOVE:
            self._is_paused = True
            self.pause()

    def take(self) -> Told:
        """Returns the oldest item; the log goes on when few are left.

        Raises:
            IndexError: nothing waits.
        """
        item = super().take()
        if self._is_paused and len(self) <= LOG_GOES_ON_BELOW:
            self._is_paused = False
            self.go_on()
        return item


class ChangeBacklog:
    """Changes of watched entries; a newer change of an entry takes the place of an unread one.

    Changes that are told afterwards stay as they are.
    """

    __slots__ = ("_items",)

    def __init__(self) -> None:
        """Starts empty; its bound is what is watched, and what the daemon remembers."""
        self._items: dict[str | int, Change | Synced] = {}

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Change | Synced) -> None:
        """Adds a change behind the others, or the end of a snapshot."""
        if isinstance(item, Synced):
            slot: str | int = ""
        else:
            slot = item.rev if item.past else item.key
        self._items.pop(slot, None)
        self._items[slot] = item

    def take(self) -> Change | Synced:
        """Returns the oldest item.

        Raises:
            IndexError: nothing waits.
        """
        for slot in self._items:
            return self._items.pop(slot)
        raise IndexError("no change waits")
