"""Frames of a command that wants more than one answer: in and out of a conversation."""

from typing import Any

import msgspec
import pytest

from askrd.sdk.arrivals import Arrivals
from askrd.sdk.conversation import Conversation
from askrd.sdk.payloads import read_payload
from askrd.sdk.requests import NEVER, Request
from askrd.wire.bodies import CallOptions, Credit, dump, load
from askrd.wire.errors import BadRequest, ConnectionLost, LimitExceeded, PayloadTooLarge
from askrd.wire.frames import FLAG_MORE, FLAG_SILENT, FLAG_UP, Coding, Frame, Kind
from askrd.wire.limits import GATHERED_BYTES_MAX
from tests.unit.askrd.sdk.talk import Promise, called, fail, opened, said, welcome

CALL = Frame(kind=Kind.CALL, name=b"agent.fetch", payload=b"1", coding=Coding.JSON)


def arrivals(waiting_max: int = 64) -> Arrivals:
    return Arrivals(lambda: 0.0, waiting_max)


def asked(conversation: Conversation, call: Frame = CALL, **more: Any) -> tuple[int, Promise]:
    promise = Promise()
    return conversation.commands.ask(call, Request(promise, **more)), promise


def from_daemon(kind: Kind, id_: int, payload: bytes = b"", flags: int = 0) -> Frame:
    coding = Coding.JSON if payload else Coding.NONE
    return Frame(kind=kind, id=id_, payload=payload, coding=coding, flags=flags)


def failed_row(id_: int, code: str) -> Frame:
    return msgspec.structs.replace(fail(id_, code), flags=FLAG_MORE)


def test_hello_says_that_streams_are_understood() -> None:
    conversation = Conversation(name="me")
    conversation.opened(0.0)
    hello = said(conversation)[0]
    assert b'"streams":true' in hello.payload


def test_options_and_flags_are_written() -> None:
    conversation = opened()
    options = dump(CallOptions(key="k"))
    call = Frame(
        kind=Kind.CALL, name=b"a.b", ttl_ms=5, hops=2, head=b"{}", options=options,
        flags=FLAG_SILENT,
    )  # fmt: skip
    id_, _ = asked(conversation, call)
    (frame,) = said(conversation)
    assert (frame.id, frame.name, frame.ttl_ms, frame.hops) == (id_, b"a.b", 5, 2)
    assert (frame.options, frame.head) == (options, b"{}")
    assert frame.flags & FLAG_SILENT


@pytest.mark.parametrize("target", ["agent@*.fetch", "agent@a1,b2.fetch", "*@*.fetch"])
def test_an_address_of_several_instances_is_for_surveys(target: str) -> None:
    conversation = opened()
    with pytest.raises(BadRequest, match=r"asks several instances: use survey\(\)"):
        conversation.call(target, b"", Coding.NONE, Promise())
    assert said(conversation) == []


def test_items_reach_who_takes_them_and_credit_is_granted_for_pieces() -> None:
    conversation = opened()
    waiting = arrivals()
    id_, _ = asked(conversation, meanwhile=waiting)
    said(conversation)
    piece = Frame(kind=Kind.ITEM, id=id_, payload=b"x" * 200_000, flags=FLAG_MORE)
    conversation.receive([from_daemon(Kind.ITEM, id_, b"1"), piece], 1.0)
    assert waiting.next() == (from_daemon(Kind.ITEM, id_, b"1"), 0.0)
    (credit,) = said(conversation)
    assert (credit.kind, credit.id, credit.flags) == (Kind.CREDIT, id_, 0)
    assert load(Credit, credit.payload, "credit") == Credit(items=1, bytes=200_000)


def test_a_plain_command_is_answered_in_pieces() -> None:
    conversation = opened()
    id_, promise = called(conversation)
    conversation.receive([from_daemon(Kind.ITEM, id_, b"[1,", FLAG_MORE)], 1.0)
    conversation.receive([from_daemon(Kind.REPLY, id_, b"2]")], 1.0)
    assert promise.frame is not None
    assert read_payload(promise.frame) == [1, 2]


def test_a_plain_command_is_answered_by_rows() -> None:
    conversation = opened()
    id_, promise = called(conversation)
    conversation.receive([from_daemon(Kind.REPLY, id_, b"1", FLAG_MORE)], 1.0)
    row = failed_row(id_, "sold_out")
    conversation.receive([row, from_daemon(Kind.REPLY, id_, b"2", FLAG_MORE)], 1.0)
    assert not promise.done()
    conversation.receive([from_daemon(Kind.REPLY, id_, b"{}")], 1.0)
    assert promise.frame is not None
    assert read_payload(promise.frame) == [1, 2]
    assert read_payload(promise.frame, float) == [1.0, 2.0]


def test_too_much_cancels_the_command_and_fails_it() -> None:
    conversation = opened()
    id_, promise = asked(conversation, meanwhile=arrivals(waiting_max=1))
    said(conversation)
    conversation.receive([from_daemon(Kind.ITEM, id_, b"1")] * 2, 1.0)
    assert isinstance(promise.error, LimitExceeded)
    assert [frame.kind for frame in said(conversation)] == [Kind.CANCEL]
    conversation.receive([from_daemon(Kind.ITEM, id_, b"1"), fail(id_, "cancelled")], 1.0)


def test_a_reply_in_too_many_pieces_fails_and_names_streams() -> None:
    conversation = opened()
    id_, promise = called(conversation)
    half = Frame(kind=Kind.ITEM, id=id_, payload=bytes(GATHERED_BYTES_MAX), flags=FLAG_MORE)
    conversation.receive([half, from_daemon(Kind.ITEM, id_, b"1", FLAG_MORE)], 1.0)
    assert isinstance(promise.error, PayloadTooLarge)
    assert "stream()" in promise.error.message


def test_what_comes_after_the_outcome_is_dropped() -> None:
    conversation = opened()
    id_, promise = called(conversation)
    conversation.receive([from_daemon(Kind.REPLY, id_, b"1")], 1.0)
    late = [
        from_daemon(Kind.ITEM, id_, b"1"),
        from_daemon(Kind.END, id_),
        from_daemon(Kind.CREDIT, id_, b'{"items":1,"bytes":1}', FLAG_UP),
        from_daemon(Kind.REPLY, id_, b"1", FLAG_MORE),
        failed_row(id_, "busy"),
    ]
    troubles: list[Any] = []
    conversation.on_trouble = troubles.append
    conversation.receive(late, 1.0)
    assert promise.frame is not None
    assert (troubles, said(conversation)[1:]) == ([], [])


def test_frames_of_the_other_direction_go_to_the_answering_side() -> None:
    conversation = opened()
    waiting, granted = arrivals(), list[Credit]()
    id_, _ = asked(conversation, meanwhile=waiting, on_credit=granted.append)
    theirs = [
        from_daemon(Kind.ITEM, id_, b"1", FLAG_UP),
        from_daemon(Kind.CREDIT, id_, b'{"items":1,"bytes":1}'),
    ]
    conversation.receive(theirs, 1.0)
    assert waiting.next() is None
    assert granted == []


# --- uploads ----------------------------------------------------------------------------------


def test_an_upload_goes_up() -> None:
    conversation = opened()
    granted: list[Credit] = []
    id_, _ = asked(conversation, on_credit=granted.append)
    said(conversation)
    conversation.commands.item(id_, b"a", Coding.BYTES)
    conversation.commands.finish(id_)
    item, end = said(conversation)
    assert (item.kind, item.id, item.payload, item.coding) == (Kind.ITEM, id_, b"a", Coding.BYTES)
    assert (end.kind, end.id, end.payload) == (Kind.END, id_, b"")
    assert item.flags == end.flags == FLAG_UP
    conversation.receive([from_daemon(Kind.CREDIT, id_, b'{"items":3,"bytes":4}', FLAG_UP)], 1.0)
    assert granted == [Credit(items=3, bytes=4)]


def test_an_item_above_the_limit_is_not_sent() -> None:
    conversation = Conversation(name="me")
    conversation.opened(0.0)
    conversation.receive([welcome(payload_bytes_max=10)], 0.0)
    id_, _ = asked(conversation)
    said(conversation)
    with pytest.raises(PayloadTooLarge):
        conversation.commands.item(id_, b"x" * 11, Coding.BYTES)
    assert said(conversation) == []


def test_an_upload_ends_with_its_command() -> None:
    conversation = opened()
    id_, _ = asked(conversation)
    said(conversation)
    conversation.receive([from_daemon(Kind.REPLY, id_)], 1.0)
    assert not conversation.commands.is_open(id_)
    conversation.commands.item(id_, b"a", Coding.BYTES)
    conversation.commands.finish(id_)
    conversation.commands.break_off(id_, OSError("late"))
    conversation.commands.grant(id_, Credit(items=1, bytes=1))
    assert said(conversation) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [(OSError("disk /secret"), "cancelled"), (LimitExceeded("full"), "limit_exceeded")],
)
def test_an_upload_that_fails_here_is_reset_there(error: Exception, code: str) -> None:
    conversation = opened()
    troubles: list[Any] = []
    conversation.on_trouble = troubles.append
    id_, promise = asked(conversation)
    said(conversation)
    conversation.commands.break_off(id_, error)
    (reset,) = said(conversation)
    assert (reset.kind, reset.id, reset.flags) == (Kind.RESET, id_, FLAG_UP)
    assert f'"code":"{code}"'.encode() in reset.payload
    assert b"secret" not in reset.payload
    assert promise.error is error  # type: ignore[comparison-overlap]  # an error of the source
    conversation.receive([fail(id_, "handler_error")], 1.0)
    assert troubles == []


# --- time and loss ----------------------------------------------------------------------------


def test_the_guard_does_not_fire_while_items_come() -> None:
    conversation = opened()
    flowing, _ = asked(conversation, meanwhile=arrivals(), guard_at=10.0)
    working, _ = asked(conversation, meanwhile=arrivals(), guard_at=10.0)
    silent, promise = asked(conversation, meanwhile=arrivals(), guard_at=10.0)
    conversation.receive(
        [from_daemon(Kind.ITEM, flowing, b"1"), from_daemon(Kind.PROGRESS, working)], 9.0
    )
    conversation.receive([], 11.0)
    conversation.tick(11.0)
    assert isinstance(promise.error, ConnectionLost)
    assert [conversation.commands.is_open(id_) for id_ in (flowing, working, silent)] == [
        True,
        True,
        False,
    ]


def test_what_flows_is_not_repeated_after_a_lost_connection() -> None:
    conversation = opened()
    _, uploading = asked(conversation, on_credit=lambda _: None, again=True, guard_at=NEVER)
    _, streaming = asked(conversation, meanwhile=arrivals())
    said(conversation)
    conversation.lost("cable pulled")
    assert isinstance(uploading.error, ConnectionLost)
    assert isinstance(streaming.error, ConnectionLost)
