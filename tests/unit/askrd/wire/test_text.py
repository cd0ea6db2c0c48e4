"""Holds the translation of text frames; tests/vectors/text*.json has the many small cases."""

import json
from typing import Any

import pytest

from askrd.wire.bodies import Provision, load
from askrd.wire.codec import decode, encode
from askrd.wire.errors import BadRequest, UnknownKind
from askrd.wire.frames import FLAG_KEPT, FLAG_SEALED, STAMP_TIME, Coding, Frame, Kind
from askrd.wire.limits import HOPS_MAX, ID_MAX, KEY_BYTES_MAX, SECTION_BYTES_MAX
from askrd.wire.text import (
    BODY_OF,
    NAME_FIELD,
    OPTIONS_OF,
    SPOKEN_BY_PEERS,
    WITH_PAYLOAD,
    decode_text,
    encode_text,
    event_tail,
)

JSON = Coding.JSON


def read(**members: Any) -> Frame:
    """The frame that a line with these members stands for."""
    return decode(decode_text(json.dumps(members).encode()))


def written(frame: Frame, **options: int) -> Any:
    """The members of the line for a frame."""
    return json.loads(encode_text(frame, **options))


# --- reading -------------------------------------------------------------------------------------


def test_a_call_is_read_with_all_its_fields() -> None:
    frame = read(k="call", id=7, to="a.b", d=[1], ttl=5000, hops=2, headers={"x": "y"})
    assert frame == Frame(
        kind=Kind.CALL,
        id=7,
        name=b"a.b",
        payload=b"[1]",
        coding=JSON,
        flags=frame.flags,
        ttl_ms=5000,
        hops=2,
        head=b'{"x":"y"}',
    )


def test_a_body_is_read_from_the_frame_itself() -> None:
    frame = read(k="provide", id=1, service="greet", commands=[{"name": "hi"}], mood="good")
    assert (frame.coding, frame.name) == (JSON, b"")
    assert load(Provision, frame.payload, "provide").commands[0].name == "hi"
    assert b"mood" not in frame.payload


@pytest.mark.parametrize("kind", sorted(set(Kind) - SPOKEN_BY_PEERS), ids=lambda kind: kind.name)
def test_a_kind_peers_do_not_say_is_unknown_in_text(kind: Kind) -> None:
    with pytest.raises(UnknownKind, match=f"'{kind.name.lower()}' is no kind a peer sends"):
        read(k=kind.name.lower(), id=1)


def test_a_misspelt_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownKind, match=r"Did you mean: call, cancel\?") as caught:
        read(k="cal", id=5)
    assert caught.value.details == {"id": 5}


def test_a_kind_like_no_other_is_answered_without_a_guess() -> None:
    with pytest.raises(UnknownKind, match=r"'zzz' is no kind a peer sends\.$") as caught:
        read(k="zzz")
    assert caught.value.details == {}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"id": -1}, "id is an integer 1 to 2\\^53-1"),
        ({"id": ID_MAX + 1}, "id is an integer 1 to 2\\^53-1"),
        ({"ttl": -1}, "ttl is milliseconds, 0 to 4294967295"),
        ({"ttl": 2**32}, "ttl is milliseconds"),
        ({"hops": -1}, "hops is 0 to 7"),
        ({"hops": 256}, "hops is 0 to 7"),
        ({"to": ""}, "a call frame needs to"),
        ({"to": "a" * (KEY_BYTES_MAX + 1)}, "to has at most 512 bytes, not 513"),
        ({"to": "ü" * 257}, "to has at most 512 bytes, not 514"),
        ({"to": 5}, r"not a text frame: Expected `str`, got `int` - at `\$.to`"),
        ({"headers": {"x": 1}}, "not a text frame: Expected `str`"),
        ({"headers": {"x": "y" * SECTION_BYTES_MAX}}, "headers take at most 32768 bytes"),
        ({"d": 1, "b": "AA=="}, r"d \(JSON\) or b \(base64 bytes\), not both"),
        ({"b": "*"}, "b is not base64"),
        ({"b": "ü"}, "b is not base64"),
        ({"b": "AA==", "c": "gzip"}, 'c is "sealed", beside b'),
        ({"d": 1, "c": "sealed"}, 'c is "sealed", beside b'),
    ],
)
def test_a_wrong_field_is_refused_and_the_frame_named(members: dict[str, Any], said: str) -> None:
    whole = {"k": "call", "id": 9, "to": "a.b"} | members
    with pytest.raises(BadRequest, match=said) as caught:
        read(**whole)
    assert caught.value.details == ({"id": 9} if whole["id"] == 9 else {})


def test_an_id_of_a_wrong_type_names_nothing() -> None:
    with pytest.raises(BadRequest, match=r"Expected `int`, got `str` - at `\$.id`") as caught:
        read(k="call", id="9", to="a.b")
    assert caught.value.details == {}


def test_the_largest_headers_fit() -> None:
    head = {"x": "y" * (SECTION_BYTES_MAX - len('{"x":""}'))}
    assert json.loads(read(k="call", id=1, to="a.b", headers=head).head) == head


def test_hops_beyond_the_deepest_reach_the_router_whose_rule_it_is() -> None:
    assert read(k="call", id=1, to="a.b", hops=HOPS_MAX + 1).hops == HOPS_MAX + 1


def test_time_to_live_means_nothing_but_in_a_call() -> None:
    assert read(k="emit", event="a", ttl=5).ttl_ms == 0
    assert read(k="call", id=1, to="a", ttl=5).ttl_ms == 5


def test_sealed_bytes_are_marked() -> None:
    frame = read(k="reply", id=1, b="igE=", c="sealed")
    assert (frame.payload, frame.coding, frame.flags) == (b"\x8a\x01", Coding.BYTES, FLAG_SEALED)


@pytest.mark.parametrize(
    ("members", "name", "options"),
    [
        ({"k": "watch"}, b"", b""),
        ({"k": "watch", "prefix": "a"}, b"a", b""),
        ({"k": "get", "key": "a"}, b"a", b""),
        ({"k": "get", "prefix": True}, b"", b'{"prefix":true}'),
        ({"k": "get", "key": "a", "prefix": False}, b"a", b'{"prefix":false}'),
        ({"k": "put", "key": "a", "if_rev": 0}, b"a", b'{"if_rev":0}'),
        ({"k": "del", "key": "a", "if_rev": 7}, b"a", b'{"if_rev":7}'),
        ({"k": "call", "to": "a", "if_rev": 7, "prefix": True}, b"a", b""),
    ],
)
def test_options_are_those_of_the_kind(
    members: dict[str, Any], name: bytes, options: bytes
) -> None:
    frame = read(id=1, **members)
    assert (frame.name, frame.options) == (name, options)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"k": "watch", "prefix": True}, "prefix is a string in a watch frame"),
        ({"k": "get", "key": "a", "prefix": "b"}, "prefix is true or false in a get frame"),
        ({"k": "get"}, "a get frame needs key"),
        ({"k": "get", "prefix": False}, "a get frame needs key"),
        ({"k": "put", "prefix": True, "d": 1}, "a put frame needs key"),
    ],
)
def test_a_prefix_is_a_name_for_a_watch_and_an_option_for_a_get(
    members: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        read(id=1, **members)


def test_the_tables_speak_of_the_same_kinds() -> None:
    assert set(BODY_OF) <= SPOKEN_BY_PEERS
    assert not set(BODY_OF) & WITH_PAYLOAD
    assert not set(BODY_OF) & set(NAME_FIELD)
    assert set(OPTIONS_OF) <= set(NAME_FIELD)


# --- writing -------------------------------------------------------------------------------------


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


def test_what_was_kept_says_so() -> None:
    assert written(Frame(kind=Kind.CHANGE, name=b"a", flags=FLAG_KEPT))["kept"] is True


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


# --- both ways -----------------------------------------------------------------------------------


def test_a_frame_survives_both_translations() -> None:
    line = encode_text(
        decode(encode(Frame(kind=Kind.PUT, id=3, name=b"a/b", payload=b"[1]", coding=1)))
    )
    assert json.loads(encode_text(decode(decode_text(line)))) == json.loads(line)
