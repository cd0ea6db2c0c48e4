"""Holds what a conversation says to read, write and watch the state, and who gets the answers."""

from typing import Any

import pytest

from askrd.sdk.values import Change, Synced
from askrd.sdk.watches import Watch
from askrd.wire.errors import AskrError, BadRequest, ConnectionLost, Gone
from askrd.wire.frames import FLAG_KEPT, Frame, Kind
from askrd.wire.state import DelOptions, PutOptions
from tests.unit.askrd.sdk.talk import Promise, body, fail, kinds, opened, said, welcome


def test_reading_a_prefix_collects_its_entries_until_ok() -> None:
    conversation = opened()
    promise, found = Promise(), list[Frame]()
    id_ = conversation.keys.entries("cfg", found, promise)
    (get,) = said(conversation)
    assert (get.kind, get.name, get.options) == (Kind.GET, b"cfg", b'{"prefix":true}')
    entry = Frame(
        kind=Kind.CHANGE, id=4, name=b"cfg/a", payload=b"1", coding=1,
        options=b'{"rev":4,"watch":%d}' % id_, flags=FLAG_KEPT | 2,
    )  # fmt: skip

    conversation.receive([entry, Frame(kind=Kind.OK, id=id_)], 1.0)

    assert found == [entry]
    assert promise.frame is not None


def test_writes_carry_what_is_wanted_beside_the_value() -> None:
    conversation = opened()
    keys = conversation.keys
    keys.put("a/b", b"1", 1, PutOptions(if_rev=0), Promise())
    keys.put("a/b", b"1", 1, PutOptions(), Promise())
    keys.put("a/b", b"2", 1, PutOptions(op="incr", ttl_ms=1500, fast=True), Promise())
    keys.put("a/b", b"1", 1, PutOptions(ephemeral=True), Promise())
    keys.delete("a/b", DelOptions(if_rev=7), Promise())
    keys.delete("a/b", DelOptions(), Promise())
    keys.get("a/b", Promise())

    sent = [(f.kind, f.name, f.payload, f.options) for f in said(conversation)]
    assert sent == [
        (Kind.PUT, b"a/b", b"1", b'{"if_rev":0}'),
        (Kind.PUT, b"a/b", b"1", b""),
        (Kind.PUT, b"a/b", b"2", b'{"op":"incr","ttl_ms":1500,"fast":true}'),
        (Kind.PUT, b"a/b", b"1", b'{"ephemeral":true}'),
        (Kind.DEL, b"a/b", b"", b'{"if_rev":7}'),
        (Kind.DEL, b"a/b", b"", b""),
        (Kind.GET, b"a/b", b"", b""),
    ]


def test_the_history_of_an_entry_is_collected_until_ok() -> None:
    conversation = opened()
    promise, found = Promise(), list[Frame]()
    id_ = conversation.keys.history("a/b", 3, found, promise)
    (get,) = said(conversation)
    assert (get.kind, get.name, get.options) == (Kind.GET, b"a/b", b'{"history":3}')
    change = Frame(
        kind=Kind.CHANGE, id=4, name=b"a/b", options=b'{"rev":4,"op":"del","watch":%d}' % id_,
        flags=FLAG_KEPT | 2,
    )  # fmt: skip

    conversation.receive([change, Frame(kind=Kind.OK, id=id_)], 1.0)

    assert found == [change]
    assert promise.frame is not None
    with pytest.raises(BadRequest):
        conversation.keys.history("a/b", 0, found, promise)


def test_of_a_reading_that_nobody_answers_nothing_is_unknown() -> None:
    conversation = opened()
    reading, listing, writing = Promise(), Promise(), Promise()
    conversation.keys.get("a/b", reading, 5.0)
    conversation.keys.entries("a", [], listing, 5.0)
    conversation.keys.put("a/b", b"1", 1, PutOptions(), writing, 5.0)
    conversation.tick(5.0)
    errors = [promise.error for promise in (reading, listing, writing)]
    assert [error.code for error in errors if error is not None] == [
        "deadline_exceeded", "deadline_exceeded", "connection_lost",
    ]  # fmt: skip


def test_a_change_reaches_every_watch_that_covers_it() -> None:
    conversation = opened()
    told: dict[str, list[Any]] = {"": [], "cfg": [], "other": []}
    for prefix, items in told.items():
        id_ = conversation.keys.watch(Watch(prefix, items.append, items.append))
        conversation.receive([body(Kind.SYNCED, {"rev": 1}, id=id_)], 1.0)
    change = Frame(
        kind=Kind.CHANGE, id=2, name=b"cfg/a", payload=b"1", coding=1,
        options=b'{"rev":2,"ts":5,"op":"set","cause":"set"}',
    )  # fmt: skip

    conversation.receive([change], 1.0)

    expected = Change("set", "cfg/a", 2, "set", 5, snapshot=False, frame=change)
    assert told == {
        "": [Synced(1), expected],
        "cfg": [Synced(1), expected],
        "other": [Synced(1)],
    }


@pytest.mark.parametrize("key", ["", "a//b", "a b", "/", "k" * 513])
def test_a_bad_key_is_refused_before_anything_is_sent(key: str) -> None:
    conversation = opened()

    with pytest.raises(BadRequest):
        conversation.keys.get(key, Promise())

    assert kinds(conversation) == []


# --- watches since a revision -------------------------------------------------------------------


class Since:
    """A watch of ``cfg`` since revision 5, and what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.errors: list[AskrError] = []
        self.conversation = opened()
        self.promise = Promise()
        watch = Watch("cfg", self.told.append, self.errors.append, since=5)
        self.id = self.conversation.keys.watch(watch, promise=self.promise)
        (self.asked,) = said(self.conversation)

    def missed(self, key: bytes, rev: int) -> None:
        options = b'{"rev":%d,"op":"set","cause":"set","watch":%d}' % (rev, self.id)
        frame = Frame(kind=Kind.CHANGE, id=rev, name=key, options=options)
        self.conversation.receive([frame], 1.0)

    def synced(self, rev: int) -> None:
        self.conversation.receive([body(Kind.SYNCED, {"rev": rev}, id=self.id)], 1.0)

    def change(self, key: bytes, rev: int) -> None:
        options = b'{"rev":%d,"op":"set","cause":"set"}' % rev
        frame = Frame(kind=Kind.CHANGE, id=rev, name=key, options=options)
        self.conversation.receive([frame], 1.0)

    def come_back(self, epoch: str) -> list[Frame]:
        """Loses the connection, and returns what is said on the next one."""
        self.conversation.lost("cut")
        self.conversation.opened(2.0)
        before = said(self.conversation)
        self.conversation.receive([welcome(epoch)], 2.0)
        return [*before, *said(self.conversation)]

    @property
    def revs(self) -> list[tuple[str, int]]:
        return [(type(one).__name__, one.rev) for one in self.told]


def test_a_watch_since_a_revision_tells_what_was_missed_and_then_what_happens() -> None:
    since = Since()
    assert (since.asked.kind, since.asked.name, since.asked.options) == (
        Kind.WATCH, b"cfg", b'{"since":5}',
    )  # fmt: skip

    since.change(b"cfg/a", 7)
    since.missed(b"cfg/a", 6)
    since.missed(b"cfg/a", 7)
    since.synced(8)
    since.change(b"cfg/b", 9)
    since.change(b"other", 10)

    assert since.revs == [("Change", 6), ("Change", 7), ("Synced", 8), ("Change", 9)]
    assert not any(one.snapshot for one in since.told if isinstance(one, Change))
    assert since.promise.frame is not None


def test_after_a_lost_connection_it_goes_on_from_where_it_was() -> None:
    since = Since()
    since.synced(8)
    since.change(b"cfg/b", 9)

    asked = next(frame for frame in since.come_back("e1") if frame.kind == Kind.WATCH)

    assert (asked.id, asked.options) == (since.id, b'{"since":9}')
    since.missed(b"cfg/c", 11)
    since.synced(12)
    assert since.revs[2:] == [("Change", 11), ("Synced", 12)]
    assert since.errors == []


def test_it_fails_when_the_daemon_was_started_again() -> None:
    since = Since()
    since.synced(8)

    said_now = [frame.kind for frame in since.come_back("e2")]

    assert [error.code for error in since.errors] == ["gone"]
    assert since.errors[0].details == {"rev": 8}
    assert said_now[-1] == Kind.UNWATCH
    since.change(b"cfg/b", 9)
    assert since.revs == [("Synced", 8)]


def test_who_waits_for_its_beginning_hears_that_the_daemon_was_started_again() -> None:
    since = Since()
    since.come_back("e2")
    assert isinstance(since.promise.error, Gone)
    assert since.errors == [since.promise.error]


def test_who_waits_for_its_beginning_hears_that_another_has_ended_it() -> None:
    conversation, promise = opened(), Promise()
    id_ = conversation.keys.watch(Watch("", lambda _: None, lambda _: None), promise=promise)
    conversation.keys.unwatch(id_)
    assert isinstance(promise.error, ConnectionLost)


def test_it_fails_when_too_much_is_forgotten() -> None:
    since = Since()

    since.conversation.receive([fail(since.id, "gone", details={"oldest": 7, "rev": 9})], 1.0)

    assert isinstance(since.promise.error, Gone)
    assert since.errors == [since.promise.error]
    since.conversation.lost("cut")
    since.conversation.opened(2.0)
    assert kinds(since.conversation) == [Kind.HELLO]


def test_a_watch_of_everything_leaves_out_what_is_the_daemons_own() -> None:
    conversation = opened()
    told: list[Any] = []
    id_ = conversation.keys.watch(Watch("", told.append, told.append))
    own: list[Any] = []
    own_id = conversation.keys.watch(Watch("$askr", own.append, own.append))
    for each in (id_, own_id):
        conversation.receive([body(Kind.SYNCED, {"rev": 1}, id=each)], 1.0)

    change = Frame(kind=Kind.CHANGE, id=2, name=b"$askr/peers/k3Tz9a", options=b'{"rev":2}')
    conversation.receive([change], 1.0)

    assert [type(one) for one in told] == [Synced]
    assert [type(one) for one in own] == [Synced, Change]


def test_a_watch_begun_on_a_connection_knows_whose_revisions_it_hears() -> None:
    conversation = opened()
    told: list[Any] = []
    id_ = conversation.keys.watch(Watch("cfg", told.append, told.append))
    options = b'{"rev":3,"watch":%d}' % id_
    entry = Frame(kind=Kind.CHANGE, id=3, name=b"cfg/a", options=options, flags=FLAG_KEPT)
    for _ in range(2):
        conversation.receive([entry, body(Kind.SYNCED, {"rev": 3}, id=id_)], 1.0)
        conversation.lost("cut")
        conversation.opened(2.0)
        conversation.receive([welcome("e1")], 2.0)

    assert [type(one) for one in told] == [Change, Synced, Synced]
