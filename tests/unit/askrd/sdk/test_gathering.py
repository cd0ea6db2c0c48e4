"""Answers that come in more than one frame, for who waits for one."""

import pytest

from askrd.sdk.gathering import Gathering, Pieces
from askrd.sdk.payloads import read_payload
from askrd.wire.bodies import Credit
from askrd.wire.errors import CommandError, LimitExceeded, PayloadTooLarge
from askrd.wire.frames import FLAG_MORE, Coding, Frame, Kind
from askrd.wire.limits import GATHERED_BYTES_MAX, STREAM_ITEM_BYTES, SURVEY_MEMBERS_MAX
from tests.unit.askrd.sdk.talk import Promise, fail


def piece(data: bytes) -> Frame:
    return Frame(kind=Kind.ITEM, id=1, payload=data, coding=Coding.BYTES, flags=FLAG_MORE)


def row(value: bytes) -> Frame:
    return Frame(kind=Kind.REPLY, id=1, payload=value, coding=Coding.JSON, flags=FLAG_MORE)


REPLY = Frame(kind=Kind.REPLY, id=1, payload=b"]", coding=Coding.JSON, stamp=b"agent@aaaaaa")


def test_pieces_stand_in_front_of_the_reply() -> None:
    promise = Promise()
    gathering = Gathering(promise)
    gathering.take(piece(b"[1,"))
    gathering.take(piece(b"2"))
    gathering.set_result(REPLY)
    assert promise.frame is not None
    assert read_payload(promise.frame) == [1, 2]
    assert promise.frame.stamp == b"agent@aaaaaa"


def test_a_reply_without_pieces_is_itself() -> None:
    assert Pieces().join(REPLY) is REPLY


def test_pieces_are_given_back_as_they_come() -> None:
    pieces = Pieces()
    granted = [pieces.add(b"x" * STREAM_ITEM_BYTES) for _ in range(4)]
    assert granted == [
        None, Credit(items=2, bytes=2 * STREAM_ITEM_BYTES),
        None, Credit(items=2, bytes=2 * STREAM_ITEM_BYTES),
    ]  # fmt: skip


def test_more_than_a_payload_may_be_is_refused() -> None:
    pieces = Pieces()
    large = bytes(GATHERED_BYTES_MAX // 2)
    pieces.add(large)
    pieces.add(large)
    with pytest.raises(PayloadTooLarge, match="stream") as caught:
        pieces.add(b"x")
    assert caught.value.at == "response"


def test_good_rows_become_a_list() -> None:
    promise = Promise()
    gathering = Gathering(promise)
    gathering.take(row(b"1"))
    gathering.take(fail(1, "sold_out", at="handler"))
    gathering.take(row(b'"b"'))
    gathering.set_result(Frame(kind=Kind.REPLY, id=1, payload=b"{}", coding=Coding.JSON))
    assert promise.frame is not None
    assert read_payload(promise.frame) == [1, "b"]


def test_the_first_error_is_raised_when_no_row_is_good() -> None:
    promise = Promise()
    gathering = Gathering(promise)
    gathering.take(fail(1, "sold_out", at="handler"))
    gathering.take(fail(1, "closed", at="handler"))
    gathering.set_result(Frame(kind=Kind.REPLY, id=1))
    assert isinstance(promise.error, CommandError)
    assert promise.error.code == "sold_out"


def test_who_looks_at_the_rows_gets_no_error() -> None:
    promise, rows = Promise(), list[Frame]()
    gathering = Gathering(promise, rows.append)
    gathering.take(fail(1, "sold_out"))
    gathering.set_result(Frame(kind=Kind.REPLY, id=1))
    assert [one.kind for one in rows] == [Kind.FAIL]
    assert promise.frame is not None
    assert read_payload(promise.frame) == []


def test_rows_are_bounded() -> None:
    gathering = Gathering(Promise())
    for _ in range(SURVEY_MEMBERS_MAX):
        gathering.take(row(b"1"))
    with pytest.raises(LimitExceeded):
        gathering.take(row(b"1"))


def test_a_failure_is_handed_on() -> None:
    promise = Promise()
    Gathering(promise).set_exception(LimitExceeded("no"))
    assert isinstance(promise.error, LimitExceeded)


def test_nobody_needs_to_wait() -> None:
    gathering = Gathering(None)
    assert gathering.done()
    gathering.set_result(REPLY)
    gathering.set_exception(LimitExceeded("no"))
