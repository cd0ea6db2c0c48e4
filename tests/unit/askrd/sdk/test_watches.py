"""Holds a watch over several connections: complete, in order, never back in time."""

from askrd.sdk.values import Change, Synced
from askrd.sdk.watches import RESYNC, Watch
from askrd.wire.errors import ConnectionLost
from askrd.wire.frames import Frame, Kind
from askrd.wire.state import EntryOptions


class Told:
    """What a watch of ``cfg`` passed on."""

    def __init__(self) -> None:
        self.items: list[Change | Synced] = []
        self.errors: list[object] = []
        self.watch = Watch("cfg", self.items.append, self.errors.append)

    def snapshot(self, rev: int, *, at: int = 0, **entries: int) -> None:
        for key, entry_rev in entries.items():
            ts = at and at + entry_rev
            self.watch.tell_kept(frame(f"cfg/{key}"), EntryOptions(rev=entry_rev, ts=ts))
        self.watch.synced(rev)

    def change(self, key: str, rev: int, op: str = "set") -> None:
        self.watch.tell(frame(key), EntryOptions(rev=rev, op=op, cause=op))

    def taken(self) -> list[object]:
        """Everything told since the last time, in short."""
        items, self.items[:] = list(self.items), []
        return [
            ("synced", i.rev) if isinstance(i, Synced) else (i.op, i.key, i.rev, i.snapshot)
            for i in items
        ]


def frame(key: str) -> Frame:
    return Frame(kind=Kind.CHANGE, name=key.encode(), payload=b"1", coding=1)


def begun(epoch: str = "e1") -> Told:
    told = Told()
    told.watch.restart()
    told.watch.begin(epoch)
    return told


def test_a_snapshot_is_followed_by_newer_changes_of_the_prefix_only() -> None:
    told = begun()
    told.change("cfg/early", 2)
    told.snapshot(5, a=3)
    told.change("cfg/a", 5)
    told.change("cfgx", 6)
    told.change("cfg/a", 7, "del")

    assert told.taken() == [
        ("set", "cfg/a", 3, True),
        ("synced", 5),
        ("del", "cfg/a", 7, False),
    ]


def test_after_a_lost_connection_only_the_difference_is_told() -> None:
    told = begun()
    told.snapshot(5, same=1, changed=2, gone=3)
    told.change("cfg/late", 6)
    told.taken()

    told.watch.restart()
    told.watch.begin("e1")
    told.change("cfg/same", 8)
    told.snapshot(9, same=1, changed=8, late=6, new=9)

    assert told.items[2] == Change("del", "cfg/gone", 9, RESYNC)
    assert told.taken() == [
        ("set", "cfg/changed", 8, True),
        ("set", "cfg/new", 9, True),
        ("del", "cfg/gone", 9, False),
        ("synced", 9),
    ]


def test_revisions_of_another_start_of_the_daemon_are_not_compared() -> None:
    told = begun("e1")
    told.snapshot(5, a=1, b=2)
    told.taken()

    told.watch.restart()
    told.watch.begin("e2")
    told.snapshot(1, a=1)

    assert told.taken() == [
        ("set", "cfg/a", 1, True),
        ("del", "cfg/b", 1, False),
        ("synced", 1),
    ]


def test_what_a_daemon_kept_over_a_restart_is_not_told_again() -> None:
    told = begun("e1")
    told.snapshot(5, at=1_000, a=1, b=2)
    told.taken()

    told.watch.restart()
    told.watch.begin("e2")
    told.snapshot(3, at=1_000, a=1, b=3)
    assert told.taken() == [("set", "cfg/b", 3, True), ("synced", 3)]

    told.watch.restart()
    told.watch.begin("e3")
    told.snapshot(3, at=9_000, a=1, b=3)
    assert told.taken() == [
        ("set", "cfg/a", 1, True),
        ("set", "cfg/b", 3, True),
        ("synced", 3),
    ]


def test_an_error_reaches_the_reader() -> None:
    told, error = Told(), ConnectionLost("gone")
    told.watch.fail(error)

    assert told.errors == [error]


def test_what_was_told_of_a_snapshot_that_broke_off_is_part_of_the_difference() -> None:
    told = begun()
    told.watch.tell_kept(frame("cfg/same"), EntryOptions(rev=1, ts=1_001))
    told.watch.tell_kept(frame("cfg/gone"), EntryOptions(rev=2, ts=1_002))
    told.taken()

    told.watch.restart()
    told.watch.begin("e1")
    told.snapshot(3, at=1_000, same=1)

    assert told.taken() == [("del", "cfg/gone", 3, False), ("synced", 3)]
