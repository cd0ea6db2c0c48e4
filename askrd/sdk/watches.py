"""Watched parts of the connected state: a snapshot, or what was missed, then every change."""

from collections.abc import Callable

from askrd.sdk.values import Change, Synced
from askrd.wire.errors import AskrError, Gone
from askrd.wire.frames import Frame
from askrd.wire.names import prefix_matches
from askrd.wire.state import EntryOptions

Mark = tuple[int, int]
"""Revision and time of an entry's last change; with both it is told apart over restarts."""
_UNLIKE: Mark = (-1, 0)
RESYNC = "resync"
"""Cause of a deletion that happened unseen, while the connection was lost."""


class Watch:
    """One watched prefix.

    After a lost connection the daemon tells the whole snapshot again. The watch passes on what
    is new to its reader, and a deletion for every entry that is no longer there. A watch since a
    revision has no snapshot: it asks for what it missed, and fails when that is not remembered.

    Attributes:
        prefix: what it covers.
        since: the revision up to which everything is known; None = it begins with a snapshot.
        deliver: called with each change.
        fail: called when nothing follows.
    """

    __slots__ = ("_epoch", "_fresh", "_known", "_rev", "deliver", "fail", "prefix", "since")

    def __init__(
        self,
        prefix: str,
        deliver: Callable[[Change | Synced], None],
        fail: Callable[[AskrError], None],
        *,
        since: int | None = None,
    ) -> None:
        """Starts knowing nothing, or everything up to a revision.

        Args:
            prefix: a checked prefix.
            deliver: called with each change; it must not block and must not raise.
            fail: called when the daemon no longer serves the watch; nothing follows.
            since: tell what changed after this revision in place of a snapshot.
        """
        self.prefix = prefix
        self.since = since
        self.deliver = deliver
        self.fail = fail
        self._known: dict[str, Mark] = {}
        self._fresh: dict[str, Mark] = {}
        self._rev: int | None = None
        self._epoch = ""

    @property
    def is_synced(self) -> bool:
        """Whether everything up to now has been told on this connection."""
        return self._rev is not None

    def restart(self) -> None:
        """Prepares for another snapshot; what was told of one that broke off is known."""
        self._rev = None
        self._known |= self._fresh
        self._fresh = {}

    def begin(self, epoch: str) -> Gone | None:
        """Takes note of which start of the daemon the revisions that follow belong to.

        Returns:
            why it cannot go on from its revision; None when it can, or need not.
        """
        before, self._epoch = self._epoch, epoch
        if epoch != before:
            self._known = {key: mark if mark[1] else _UNLIKE for key, mark in self._known.items()}
            if before and self.since is not None:
                return Gone(
                    f"the daemon was started again: what changed since rev {self.since} is unknown. "
                    "Watch from a snapshot",
                    details={"rev": self.since},
                    at="client",
                )
        return None

    def tell_kept(self, frame: Frame, options: EntryOptions) -> None:
        """Takes one entry of the snapshot."""
        key = frame.name.decode("utf-8", "replace")
        self._fresh[key] = mark = (options.rev, options.ts)
        if self._known.get(key) != mark:
            self.deliver(change_of(frame, options, snapshot=True))

    def tell_missed(self, frame: Frame, options: EntryOptions) -> None:
        """Takes one of the changes since its revision; older ones came before."""
        if self.since is not None and options.rev > self.since:
            self.since = options.rev
            self.deliver(change_of(frame, options, past=True))

    def synced(self, rev: int) -> None:
        """Takes the end of the snapshot, or of what was missed."""
        if self.since is not None:
            self.since = self._rev = max(rev, self.since)
            self.deliver(Synced(rev))
            return
        for key in self._known.keys() - self._fresh.keys():
            self.deliver(Change("del", key, rev, RESYNC))
        self._known, self._fresh = self._fresh, {}
        self._rev = rev
        self.deliver(Synced(rev))

    def tell(self, frame: Frame, options: EntryOptions) -> None:
        """Takes a change, when it is of this prefix and newer than the snapshot."""
        key = frame.name.decode("utf-8", "replace")
        rev = options.rev or frame.id
        if self._rev is None or rev <= self._rev or not self._covers(key):
            return
        if self.since is not None:
            self.since = rev
        elif options.op == "del":
            self._known.pop(key, None)
        else:
            self._known[key] = (rev, options.ts)
        self.deliver(change_of(frame, options))

    def _covers(self, key: str) -> bool:
        """Says whether it watches ``key``; everything is not what is the daemon's own."""
        return prefix_matches(self.prefix, key) if self.prefix else not key.startswith("$")


def change_of(
    frame: Frame, options: EntryOptions, *, snapshot: bool = False, past: bool = False
) -> Change:
    """Returns what a `change` frame says.

    Args:
        frame: what arrived.
        options: what stands beside its value.
        snapshot: whether it tells what was there before.
        past: whether it is told afterwards.
    """
    return Change(
        op=options.op or "set",
        key=frame.name.decode("utf-8", "replace"),
        rev=options.rev or frame.id,
        cause=options.cause,
        ts_ms=options.ts,
        snapshot=snapshot,
        past=past,
        frame=frame,
    )
