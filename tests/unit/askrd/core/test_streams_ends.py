"""Holds streams that wait, payloads and answers in pieces, and the ends of both."""

from typing import Any

import pytest

from askrd.wire.codec import encode
from askrd.wire.frames import FLAG_MORE, FLAG_UP, Coding, Frame, Kind
from askrd.wire.limits import STREAM_ITEMS
from tests.unit.askrd.core.desk import SECOND, Desk, body, json
from tests.unit.askrd.core.test_streams import END, ITEM, begun, room, told

# --- while the command waits ---------------------------------------------------------------------


def test_what_the_caller_says_while_its_command_waits_is_held_and_follows_it() -> None:
    desk, agent, me = room()
    agent.pause()
    me.want(7, reply="stream", upload="items")
    me.item(7, b"a", FLAG_UP)
    me.credit(7, 3, 40)
    me.credit(7, 4, 60)
    me.item(7, b"b", FLAG_UP)
    me.say(Frame(kind=END, id=7, flags=FLAG_UP))
    agent.resume()
    call, credit, *items = agent.heard()
    assert (call.kind, credit.kind, credit.id) == (Kind.CALL, Kind.CREDIT, 1)
    assert body(credit) == {"items": 7, "bytes": 100}
    assert [(f.kind, f.id, f.payload) for f in items] == [
        (ITEM, 1, b"a"),
        (ITEM, 1, b"b"),
        (END, 1, b""),
    ]
    for _ in range(STREAM_ITEMS + 7):
        agent.item(1, b"")
    agent.reply(1)
    assert [f.kind for f in me.heard()] == [ITEM] * (STREAM_ITEMS + 7) + [Kind.REPLY]
    desk.assert_nothing_is_left()


def test_held_items_do_not_outlive_the_deadline_and_are_bounded_by_credit() -> None:
    desk, agent, me = room()
    agent.pause()
    me.want(7, upload="items", fields={"ttl_ms": 500})
    me.want(8, upload="items")
    for _ in range(STREAM_ITEMS):
        me.item(7, b"x", FLAG_UP)
    for _ in range(STREAM_ITEMS + 1):
        me.item(8, b"x", FLAG_UP)
    assert me.fails() == {8: "limit_exceeded"}
    desk.after(SECOND)
    assert me.fails() == {7: "deadline_exceeded"}
    agent.resume()
    assert agent.heard() == []
    desk.assert_nothing_is_left()


def test_an_upload_may_wait_for_somebody_to_come() -> None:
    desk = Desk()
    me = desk.join(streams=True)
    me.want(7, "agent.fetch", upload="items", wait_ms=8_000)
    me.item(7, b"a", FLAG_UP)
    desk.after(SECOND)
    me.say(Frame(kind=END, id=7, flags=FLAG_UP))
    agent = desk.join("agent", streams=True)
    spec = {"name": "fetch", "upload": True}
    agent.say(json(Kind.PROVIDE, {"service": "agent", "commands": [spec]}, id=900))
    heard = [f for f in agent.heard() if f.kind != Kind.PROVIDED]
    assert [(f.kind, f.payload) for f in heard] == [(Kind.CALL, b""), (ITEM, b"a"), (END, b"")]
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


def test_an_upload_that_nobody_came_for_is_forgotten() -> None:
    desk = Desk()
    me = desk.join(streams=True)
    me.want(7, "agent.fetch", upload="items", wait_ms=500)
    me.item(7, b"a", FLAG_UP)
    desk.after(SECOND)
    assert me.fails() == {7: "service_unknown"}
    desk.assert_nothing_is_left()


# --- large payloads ------------------------------------------------------------------------------


def test_a_payload_in_pieces_reaches_the_instance() -> None:
    desk, agent, me = room(reply="value", upload=False)
    me.want(7, upload="payload", fields={"payload": b"first", "coding": Coding.JSON})
    me.item(7, b"second", FLAG_UP)
    me.say(Frame(kind=END, id=7, flags=FLAG_UP))
    call, piece, end = agent.heard()
    assert (call.options, call.payload, call.coding) == (b'{"upload":"payload"}', b"first", 1)
    assert (piece.payload, piece.coding, end.kind) == (b"second", Coding.BYTES, END)
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("is_plain", [True, False])
def test_an_answer_in_pieces_reaches_a_caller_that_takes_streams(is_plain: bool) -> None:
    spec: dict[str, Any] = {} if is_plain else {"concurrency": 5}
    desk, agent, me = room(reply="value", upload=False, **spec)
    me.call(7)
    agent.item(1, b"first", FLAG_MORE)
    me.credit(7, 1, 5)
    agent.item(1, b"second", FLAG_MORE)
    agent.reply(1, b"third")
    heard = me.heard()
    assert [(f.kind, f.payload, f.flags & FLAG_MORE) for f in heard] == [
        (ITEM, b"first", FLAG_MORE), (ITEM, b"second", FLAG_MORE), (Kind.REPLY, b"third", 0),
    ]  # fmt: skip
    assert [f.kind for f in agent.heard()] == [Kind.CALL, Kind.CREDIT]
    desk.assert_nothing_is_left()


def test_pieces_are_held_to_credit() -> None:
    desk, agent, me = room(reply="value", upload=False)
    me.call(7)
    for _ in range(STREAM_ITEMS + 1):
        agent.item(1, b"x", FLAG_MORE)
    assert me.fails() == {7: "limit_exceeded"}
    agent.reply(1)
    desk.assert_nothing_is_left()


def test_pieces_for_a_caller_without_streams_end_the_command() -> None:
    desk = Desk()
    agent, me = desk.offer("agent", {"name": "fetch"}), desk.join()
    me.call(7)
    agent.heard()
    agent.item(1, b"first", FLAG_MORE)
    (fail,) = me.heard()
    assert (body(fail)["code"], body(fail)["at"]) == ("payload_too_large", "response")
    assert [f.kind for f in agent.heard()] == [Kind.CANCEL, Kind.ERROR]
    agent.item(1, b"second", FLAG_MORE)
    agent.reply(1, b"third")
    assert me.heard() == []
    desk.assert_nothing_is_left()


def test_pieces_are_no_answer_to_an_ack() -> None:
    _desk, agent, me = room(reply="ack", upload=False)
    me.call(7)
    agent.item(1, b"x", FLAG_MORE)
    assert agent.heard()[-1].kind == Kind.ERROR
    assert me.heard() == []
    agent.accept(1)
    agent.item(1, b"x", FLAG_MORE)
    assert me.kinds() == [Kind.REPLY]


def test_a_stream_may_end_with_a_value_in_pieces() -> None:
    desk, agent, me = begun()
    agent.item(1, b"item")
    agent.say(Frame(kind=END, id=1))
    agent.item(1, b"piece", FLAG_MORE)
    agent.reply(1, b"rest")
    assert [(kind, payload) for kind, _, payload in told(me)] == [
        (ITEM, b"item"), (END, b""), (ITEM, b"piece"), (Kind.REPLY, b"rest"),
    ]  # fmt: skip
    desk.assert_nothing_is_left()


# --- ends ----------------------------------------------------------------------------------------


def test_a_cancelled_stream_stops_both_sides() -> None:
    desk, agent, me = begun()
    agent.item(1)
    me.cancel(7)
    assert me.kinds() == [ITEM, Kind.FAIL]
    assert agent.kinds() == [Kind.CANCEL]
    agent.item(1)
    me.item(7, b"x", FLAG_UP)
    agent.fail(1, "cancelled")
    assert (me.heard(), agent.heard()) == ([], [])
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("is_written", [True, False])
def test_a_lost_instance_ends_the_stream(is_written: bool) -> None:
    desk, agent, me = begun(idempotent=True)
    other = desk.offer(
        "agent", {"name": "fetch", "reply": "stream", "upload": True, "idempotent": True}
    )
    if is_written:
        agent.item(1)
    me.item(7, b"x", FLAG_UP)
    agent.lose()
    assert me.fails() == {7: "instance_lost"}
    assert other.heard() == [], "a part of the upload is gone"
    desk.assert_nothing_is_left()


def test_a_lost_caller_ends_the_stream() -> None:
    desk, agent, me = begun()
    agent.item(1)
    me.lose()
    assert agent.kinds() == [Kind.CANCEL]
    agent.item(1)
    agent.fail(1)
    assert agent.heard() == []
    desk.assert_nothing_is_left()


# --- the outbox ----------------------------------------------------------------------------------


def test_items_wait_behind_what_is_urgent_and_keep_their_order() -> None:
    desk, agent, me = begun()
    other = desk.join("other", streams=True)
    me.pause()
    agent.item(1, b"a")
    agent.item(1, b"b")
    agent.reply(1)
    other.say(json(Kind.PROVIDE, {"service": "other", "commands": [{"name": "x"}]}, id=900))
    me.call(9, "other.x")
    other.reply(1, b"9")
    me.resume()
    assert [(kind, id_) for kind, id_, _ in told(me)] == [
        (Kind.REPLY, 9), (ITEM, 7), (ITEM, 7), (Kind.REPLY, 7),
    ]  # fmt: skip
    desk.assert_nothing_is_left()


def test_items_wait_for_an_instance_that_does_not_read() -> None:
    desk, agent, me = begun()
    agent.pause()
    for _ in range(5):
        me.item(7, b"x", FLAG_UP)
    me.say(Frame(kind=END, id=7, flags=FLAG_UP))
    agent.resume()
    assert agent.kinds() == [ITEM] * 5 + [END]
    agent.reply(1)
    desk.assert_nothing_is_left()


def test_a_large_item_is_passed_on_without_being_copied() -> None:
    desk, agent, me = begun()
    data = memoryview(encode(Frame(kind=ITEM, id=1, payload=b"x" * 200_000, coding=2)))
    desk.router.feed_large(agent.session, data, desk.now_us)
    desk.router.feed_large(
        me.session,
        memoryview(encode(Frame(kind=ITEM, id=7, payload=b"y" * 200_000, flags=FLAG_UP))),
        desk.now_us,
    )
    assert [len(f.payload) for f in me.heard()] == [200_000]
    assert [(f.id, f.payload[:1]) for f in agent.heard()] == [(1, b"y")]
