"""Holds how frames are written as text; tests/vectors/text.json has the many small cases."""

import json
from typing import Any

import pytest

from askrd.wire.frames import (
    FLAG_KEPT,
    FLAG_MORE,
    FLAG_SEALED,
    FLAG_SILENT,
    FLAG_UP,
    STAMP_TIME,
    Coding,
    Frame,
    Kind,
)
from askrd.wire.text import encode_text, event_tail

JSON = Coding.JSON


def written(frame: Frame, **options: int) -> Any:
    """The members of the line for a frame."""
    return json.loads(encode_text(frame, **options))


def test_a_call_is_written_with_all_its_fields() -> None:
    frame = Frame(
        kind=Kind.CALL,
        id=17,
        name=b"a.b",
        payload=b"[1]",
        coding=JSON,
        ttl_ms=4998,
        hops=2,
        head=b'{"x":"y"}',
        stamp=b"me@k3Tz9a",
    )
    assert encode_text(frame) == (
        b'{"k":"call","id":17,"to":"a.b","d":[1],"ttl":4998,"hops":2,"headers":{"x":"y"},'
        b'"from":{"service":"me","instance":"k3Tz9a"}}'
    )


def test_an_event_is_written_for_one_subscription_around_a_shared_tail() -> None:
    frame = Frame(
        kind=Kind.EVENT,
        id=12,
        name=b"A",
        payload=b"1",
        coding=JSON,
        stamp=STAMP_TIME.pack(1_800_000_000_000_999) + b"a@b",
    )
    tail = b'"event":"A","d":1,"from":{"service":"a","instance":"b"},"ts":1800000000000,"seq":12}'
    assert event_tail(frame) == tail
    assert encode_text(frame, sub=3) == b'{"k":"event","sub":3,' + tail


def test_an_event_without_a_stamp_has_no_sender() -> None:
    frame = Frame(kind=Kind.EVENT, id=1, name=b"A")
    assert written(frame) == {"k": "event", "sub": 0, "event": "A", "seq": 1}


def test_an_event_whose_stamp_has_no_time_still_has_a_text() -> None:
    frame = Frame(kind=Kind.EVENT, id=1, name=b"A", stamp=b"a@b")
    assert written(frame)["from"] == {"service": "a", "instance": "b"}
    assert "ts" not in written(frame)


def test_a_change_has_its_rev_and_no_id() -> None:
    frame = Frame(
        kind=Kind.CHANGE, id=9, name=b"a", options=b'{"rev":9}', payload=b"1", coding=JSON
    )
    assert written(frame) == {"k": "change", "key": "a", "rev": 9, "d": 1}


def test_where_a_subscription_begins_is_not_told_in_text() -> None:
    frame = Frame(kind=Kind.SUBBED, id=4, payload=b'{"seq":9}', coding=JSON)
    assert written(frame) == {"k": "subbed", "id": 4}


def test_what_was_kept_says_so() -> None:
    assert written(Frame(kind=Kind.CHANGE, name=b"a", flags=FLAG_KEPT))["kept"] is True


@pytest.mark.parametrize(
    ("kind", "flag", "field"),
    [
        (Kind.CALL, FLAG_SILENT, "silent"),
        (Kind.ITEM, FLAG_UP, "up"),
        (Kind.END, FLAG_UP, "up"),
        (Kind.CREDIT, FLAG_UP, "up"),
        (Kind.RESET, FLAG_UP, "up"),
        (Kind.ITEM, FLAG_MORE, "more"),
        (Kind.REPLY, FLAG_MORE, "more"),
        (Kind.FAIL, FLAG_MORE, "more"),
        (Kind.REPLY, FLAG_KEPT, "kept"),
    ],
)
def test_a_flag_is_a_field_that_is_true_or_absent(kind: Kind, flag: int, field: str) -> None:
    assert written(Frame(kind=kind, id=1, flags=flag))[field] is True
    assert field not in written(Frame(kind=kind, id=1))


def test_a_call_tells_an_instance_what_its_caller_wants() -> None:
    frame = Frame(
        kind=Kind.CALL, id=17, name=b"a.b", options=b'{"reply":"ack","upload":"items","wait_ms":5}'
    )
    assert written(frame) == {
        "k": "call",
        "id": 17,
        "to": "a.b",
        "reply": "ack",
        "upload": "items",
        "wait": 5,
    }


def test_a_tell_reaches_an_instance_without_an_id() -> None:
    frame = Frame(kind=Kind.CALL, name=b"a.b", flags=FLAG_SILENT)
    assert encode_text(frame) == b'{"k":"call","to":"a.b","silent":true}'


def test_a_survey_is_written_row_by_row() -> None:
    row = Frame(kind=Kind.REPLY, id=1, payload=b"1", coding=JSON, flags=FLAG_MORE, stamp=b"a@b")
    assert encode_text(row) == (
        b'{"k":"reply","id":1,"d":1,"from":{"service":"a","instance":"b"},"more":true}'
    )


def test_a_credit_and_a_reset_are_written_with_their_members() -> None:
    credit = Frame(kind=Kind.CREDIT, id=1, payload=b'{"items":3,"bytes":9}', coding=JSON)
    assert written(credit) == {"k": "credit", "id": 1, "items": 3, "bytes": 9}
    reset = Frame(kind=Kind.RESET, id=1, payload=b'{"code":"x"}', coding=JSON, flags=FLAG_UP)
    assert written(reset) == {"k": "reset", "id": 1, "code": "x", "up": True}


@pytest.mark.parametrize("kind", [Kind.FAIL, Kind.RESET, Kind.CREDIT])
def test_a_body_of_a_peer_cannot_say_what_the_frame_does_not(kind: Kind) -> None:
    lie = b'{"code":"x","more":true,"up":true,"kept":true,"silent":true,"seq":1,"ts":2,"hops":3}'
    frame = Frame(kind=kind, id=1, payload=lie, coding=JSON)
    assert written(frame) == {"k": kind.name.lower(), "id": 1, "code": "x"}


def test_a_sender_without_an_instance_is_a_service() -> None:
    frame = Frame(kind=Kind.REPLY, id=1, stamp=b"$askr")
    assert written(frame)["from"] == {"service": "$askr", "instance": ""}


@pytest.mark.parametrize(
    ("payload", "coding", "flags", "members"),
    [
        (b"", Coding.NONE, 0, {}),
        (b"", JSON, 0, {"d": None}),
        (b"[1,\r\n 2]", JSON, 0, {"d": [1, 2]}),
        (b"", Coding.BYTES, 0, {"b": ""}),
        (b"\xff", Coding.BYTES, 0, {"b": "/w=="}),
        (b"x", Coding.NONE, 0, {"b": "eA=="}),
        (b"x", 3, 0, {"b": "eA=="}),
        (b"x", Coding.BYTES, FLAG_SEALED, {"b": "eA==", "c": "sealed"}),
        (b"1", JSON, FLAG_SEALED, {"b": "MQ==", "c": "sealed"}),
        (b'1,"k":"bye"', JSON, 0, {"b": "MSwiayI6ImJ5ZSI="}),
        (b'"\xff"', JSON, 0, {"b": "Iv8i"}),
        (b"NaN", JSON, 0, {"b": "TmFO"}),
    ],
)
def test_a_payload_is_json_or_bytes(
    payload: bytes, coding: int, flags: int, members: dict[str, Any]
) -> None:
    frame = Frame(kind=Kind.REPLY, id=1, payload=payload, coding=coding, flags=flags)
    assert written(frame) == {"k": "reply", "id": 1} | members


def test_json_too_deep_for_any_reader_travels_as_bytes() -> None:
    frame = Frame(kind=Kind.REPLY, id=1, payload=b"[" * 100_000, coding=JSON)
    assert set(written(frame)) == {"k", "id", "b"}


def test_a_body_cannot_stand_in_for_a_field_of_the_frame() -> None:
    lie = b'{"k":"reply","id":99,"from":{"service":"root"},"hops":9,"code":"x"}'
    frame = Frame(kind=Kind.FAIL, id=1, hops=1, payload=lie, coding=JSON, stamp=b"a@b")
    assert written(frame) == {
        "k": "fail",
        "id": 1,
        "code": "x",
        "hops": 1,
        "from": {"service": "a", "instance": "b"},
    }
    assert encode_text(frame).count(b'"hops"') == 1


@pytest.mark.parametrize("payload", [b"[1]", b"1", b'"x"'])
def test_a_body_that_is_no_object_is_a_payload(payload: bytes) -> None:
    frame = Frame(kind=Kind.FAIL, id=1, payload=payload, coding=JSON)
    assert written(frame) == {"k": "fail", "id": 1, "d": json.loads(payload)}


def test_a_body_that_is_no_json_is_bytes() -> None:
    frame = Frame(kind=Kind.FAIL, id=1, payload=b"{oops", coding=JSON)
    assert written(frame) == {"k": "fail", "id": 1, "b": "e29vcHM="}


def test_a_payload_of_several_lines_keeps_its_size() -> None:
    payload = b'{\r\n  "a": 1,\n  "b": "x\\ny"\n}'
    text = encode_text(Frame(kind=Kind.REPLY, id=1, payload=payload, coding=JSON))
    assert b"\n" not in text
    assert b"\r" not in text
    assert len(text) == len(encode_text(Frame(kind=Kind.REPLY, id=1))) + len(b',"d":') + len(
        payload
    )


@pytest.mark.parametrize("head", [b"[1]", b"{", b'{"a":1}', b'{"a":"\xff"}'])
def test_headers_that_are_no_object_of_strings_are_not_shown(head: bytes) -> None:
    frame = Frame(kind=Kind.REPLY, id=1, head=head)
    assert written(frame) == {"k": "reply", "id": 1}


@pytest.mark.parametrize("options", [b"[1]", b"{"])
def test_options_that_are_no_object_are_not_shown(options: bytes) -> None:
    assert written(Frame(kind=Kind.OK, id=1, options=options)) == {"k": "ok", "id": 1}


def test_a_name_that_is_not_text_is_shown_with_marks() -> None:
    assert written(Frame(kind=Kind.CALL, id=1, name=b"a.\xff"))["to"] == "a.\ufffd"


def test_a_frame_of_an_unknown_kind_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="127 is not a valid Kind"):
        encode_text(Frame(kind=0x7F))
