"""Watched parts of the connected state: a snapshot, then every change, never an older one."""

from collections.abc import Callable

from askrd.sdk.values import Change, Synced
from askrd.wire.bodies import EntryOptions
from askrd.wire.errors import AskrError
from askrd.wire.frames import Frame
from askrd.wire.names import prefix_matches

RESYNC = "resync"
"""Cause of a deletion that happened unseen, while the connection was lost."""


class Watch:
    """One watched prefix.

    After a lost connection the daemon tells the whole snapshot again. The watch passes on what
    is new to its reader, and a deletion for every entry that is no longer there.
    """

    __slots__ = ("_epoch", "_fresh", "_known", "_rev", "deliver", "fail", "prefix")

    def __init__(
        self,
        prefix: str,
        deliver: Callable[[Change | Synced], None],
        fail: Callable[[AskrError], None],
    ) -> None:
        """Starts knowing nothing.

        Args:
            prefix: a checked prefix.
            deliver: called with each change; it must not block and must not raise.
            fail: called when the daemon no longer serves the watch; nothing follows.
        """
        self.prefix = prefix
        self.deliver = deliver
        self.fail = fail
        self._known: dict[str, int] = {}
        self._fresh: dict[str, int] = {}
        self._rev: int | None = None
        self._epoch = ""

    def restart(self) -> None:
        """Prepares for another snapshot."""
        self._rev = None
        self._fresh = {}

    def begin(self, epoch: str) -> None:
        """Takes note of which start of the daemon the revisions that follow belong to."""
        if epoch != self._epoch:
            self._known = dict.fromkeys(self._known, -1)
        self._epoch = epoch

    def tell_kept(self, frame: Frame, options: EntryOptions) -> None:
        """Takes one entry of the snapshot."""
        key = frame.name.decode("utf-8", "replace")
        self._fresh[key] = options.rev
        if self._known.get(key) != options.rev:
            self.deliver(_change(frame, key, options, options.rev, snapshot=True))

    def synced(self, rev: int) -> None:
        """Takes the end of the snapshot."""
        for key in self._known.keys() - self._fresh.keys():
            self.deliver(Change("del", key, rev, RESYNC))
        self._known, self._fresh = self._fresh, {}
        self._rev = rev
        self.deliver(Synced(rev))

    def tell(self, frame: Frame, options: EntryOptions) -> None:
        """Takes a change, when it is of this prefix and newer than the snapshot."""
        key = frame.name.decode("utf-8", "replace")
        rev = options.rev or frame.id
        if self._rev is None or rev <= self._rev or not prefix_matches(self.prefix, key):
            return
        if options.op == "del":
            self._known.pop(key, None)
        else:
            self._known[key] = rev
        self.deliver(_change(frame, key, options, rev, snapshot=False))


def _change(frame: Frame, key: str, options: EntryOptions, rev: int, *, snapshot: bool) -> Change:
    return Change(
        op=options.op or "set",
        key=key,
        rev=rev,
        cause=options.cause,
        ts_ms=options.ts,
        snapshot=snapshot,
        frame=frame,
    )
