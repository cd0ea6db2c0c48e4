"""Who hears what: patterns in a tree of segments, audiences remembered by subject.

A segment with wildcards is found by its literal ends, so the cost of a match depends on the
subject's segments and on how many lengths such ends have, not on how many patterns there are.
"""

from __future__ import annotations

from askrd.core.event import Hearer
from askrd.core.session import Session
from askrd.wire.limits import SUBJECTS_CACHED_MAX
from askrd.wire.names import segment_matches

Listening = Session | Hearer
"""A plain listener, or one with a way of its own."""


class Audience:
    """Who hears one subject, each once, and how often it was emitted.

    Attributes:
        listeners: the sessions that get the event as it is.
        others: who hears it in another way.
        count: how often it was emitted.
    """

    __slots__ = ("count", "listeners", "others")

    def __init__(self, listeners: list[Session], others: list[Hearer], count: int) -> None:
        self.listeners = listeners
        self.others = others
        self.count = count


_Shape = tuple[int, int]
"""How long the literal ends of a segment with wildcards are, before the first and after the last."""


class _Node:
    """One segment of the pattern tree; listeners with how many of their patterns end here."""

    __slots__ = ("exact", "here", "partial", "rest", "shapes")

    def __init__(self) -> None:
        self.exact: dict[str, _Node] = {}
        self.partial: dict[str, dict[str, _Node]] = {}
        self.shapes: dict[_Shape, int] = {}
        self.here: dict[Listening, int] = {}
        self.rest: dict[Listening, int] = {}

    @property
    def is_empty(self) -> bool:
        return not (self.exact or self.partial or self.here or self.rest)

    def branch(self, segment: str) -> _Node:
        """Returns the node below for a pattern's segment, made on first use."""
        if "*" not in segment:
            return self.exact.setdefault(segment, _Node())
        outline, shape = _outlined(segment)
        likes = self.partial.setdefault(outline, {})
        if segment not in likes:
            likes[segment] = _Node()
            self.shapes[shape] = self.shapes.get(shape, 0) + 1
        return likes[segment]

    def prune(self, segment: str) -> None:
        """Forgets the node below for a pattern's segment."""
        if "*" not in segment:
            del self.exact[segment]
            return
        outline, shape = _outlined(segment)
        del self.partial[outline][segment]
        if not self.partial[outline]:
            del self.partial[outline]
        self.shapes[shape] -= 1
        if not self.shapes[shape]:
            del self.shapes[shape]

    def fitting(self, segment: str, *, wild: bool) -> list[_Node]:
        """Returns the nodes below that fit a subject's segment.

        Args:
            segment: of a subject.
            wild: whether a wildcard may stand at its beginning.
        """
        child = self.exact.get(segment)
        found = [] if child is None else [child]
        for before, after in self.shapes:
            if before + after <= len(segment) and (wild or before):
                end = len(segment) - after
                likes = self.partial.get(f"{segment[:before]}*{segment[end:]}", {})
                found += [node for like, node in likes.items() if segment_matches(like, segment)]
        return found


class Subscriptions:
    """The patterns of one workspace.

    Attributes:
        subjects: audiences of plain listeners by subject; sessions hold this very dict for the fast
            path.
    """

    __slots__ = ("_counts", "_mixed", "_root", "subjects")

    def __init__(self) -> None:
        self._root = _Node()
        self.subjects: dict[bytes, Audience] = {}
        self._mixed: dict[bytes, Audience] = {}
        self._counts: dict[bytes, int] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nobody listens to anything."""
        return self._root.is_empty

    def add(self, pattern: str, listener: Listening) -> None:
        """Has ``listener`` hear subjects that fit a checked pattern."""
        node = self._root
        segments, rest = _parted(pattern)
        for segment in segments:
            node = node.branch(segment)
        listeners = node.rest if rest else node.here
        listeners[listener] = listeners.get(listener, 0) + 1
        self._forget()

    def remove(self, pattern: str, listener: Listening) -> None:
        """Undoes one `add` of the same arguments."""
        segments, rest = _parted(pattern)
        self._remove(self._root, segments, listener, rest=rest)
        self._forget()

    def _remove(self, node: _Node, segments: list[str], listener: Listening, *, rest: bool) -> None:
        if not segments:
            listeners = node.rest if rest else node.here
            listeners[listener] -= 1
            if not listeners[listener]:
                del listeners[listener]
            return
        child = node.branch(segments[0])
        self._remove(child, segments[1:], listener, rest=rest)
        if child.is_empty:
            node.prune(segments[0])

    def audience(self, subject: bytes) -> Audience:
        """Returns who hears ``subject``, remembering it; for the fast path when all are plain."""
        known = self.subjects.get(subject) or self._mixed.get(subject)
        if known is not None:
            return known
        if len(self.subjects) + len(self._mixed) >= SUBJECTS_CACHED_MAX:
            self._forget()
        audience = self.match(subject.decode())
        audience.count = self._counts.pop(subject, 0)
        known_of = self._mixed if audience.others else self.subjects
        known_of[subject] = audience
        return audience

    def match(self, subject: str) -> Audience:
        """Returns who has a fitting pattern, and remembers nothing."""
        found: dict[Listening, None] = {}
        segments = subject.split(".")
        self._match(self._root, segments, 0, found, wild=not subject.startswith("$"))
        listeners = [one for one in found if isinstance(one, Session)]
        others = [one for one in found if not isinstance(one, Session)]
        return Audience(listeners, others, 0)

    def _match(
        self,
        node: _Node,
        segments: list[str],
        at: int,
        found: dict[Listening, None],
        *,
        wild: bool,
    ) -> None:
        if wild:
            found.update(dict.fromkeys(node.rest))
        if at == len(segments):
            found.update(dict.fromkeys(node.here))
            return
        for child in node.fitting(segments[at], wild=wild):
            self._match(child, segments, at + 1, found, wild=True)

    def counts(self) -> dict[bytes, int]:
        """Returns how often each remembered subject was emitted."""
        known = (*self.subjects.items(), *self._mixed.items())
        return {**self._counts, **{name: audience.count for name, audience in known}}

    def _forget(self) -> None:
        """Drops remembered audiences; the counts of up to 10 000 subjects stay."""
        for name, audience in (*self.subjects.items(), *self._mixed.items()):
            if audience.count and len(self._counts) < SUBJECTS_CACHED_MAX:
                self._counts[name] = audience.count
        self.subjects.clear()
        self._mixed.clear()


def _parted(pattern: str) -> tuple[list[str], bool]:
    segments = pattern.split(".")
    rest = segments[-1] == "**"
    return (segments[:-1] if rest else segments), rest


def _outlined(segment: str) -> tuple[str, _Shape]:
    """Returns a segment with all between its first and last wildcard left out, and its shape."""
    before, _, rest = segment.partition("*")
    after = rest.rpartition("*")[2]
    return f"{before}*{after}", (len(before), len(after))
