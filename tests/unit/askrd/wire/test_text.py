"""Holds how text frames are read; tests/vectors/text*.json has the many small cases."""

import json
from typing import Any

import pytest

from askrd.wire.bodies import CallOptions, Credit, ErrorBody, Hello, Provision, load
from askrd.wire.codec import decode, encode
from askrd.wire.errors import BadRequest, UnknownKind
from askrd.wire.frames import (
    FLAG_MORE,
    FLAG_OPTIONS,
    FLAG_SEALED,
    FLAG_SILENT,
    FLAG_UP,
    Coding,
    Frame,
    Kind,
)
from askrd.wire.limits import HOPS_MAX, ID_MAX, KEY_BYTES_MAX, SECTION_BYTES_MAX, TTL_MS_MAX
from askrd.wire.text import decode_text, encode_text
from askrd.wire.vocabulary import GRAVE_FIELDS, OPTIONS_OF, SPOKEN_BY_PEERS

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


def test_time_to_live_means_nothing_but_in_a_call_and_where_answers_are_collected() -> None:
    assert read(k="emit", event="a", ttl=5, collect=True).ttl_ms == 5
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


@pytest.mark.parametrize(
    ("field", "value", "options"),
    [
        ("reply", "ack", CallOptions(reply="ack")),
        ("upload", "items", CallOptions(upload="items")),
        ("all", True, CallOptions(all=True)),
        ("first", True, CallOptions(first=True)),
        ("quorum", 3, CallOptions(quorum=3)),
        ("exclude", ["a", "b"], CallOptions(exclude=["a", "b"])),
        ("key", "user-7", CallOptions(key="user-7")),
        ("idempotency_key", "order-1", CallOptions(idempotency_key="order-1")),
        ("version", "^2", CallOptions(version="^2")),
        ("wait", 1500, CallOptions(wait_ms=1500)),
        ("wait", TTL_MS_MAX, CallOptions(wait_ms=TTL_MS_MAX)),
    ],
)
def test_what_a_call_asks_for_becomes_its_options(
    field: str, value: Any, options: CallOptions
) -> None:
    frame = read(k="call", id=1, to="a.b", **{field: value})
    assert frame.flags == FLAG_OPTIONS
    assert load(CallOptions, frame.options, "options") == options
    assert written(frame)[field] == value


@pytest.mark.parametrize(
    "members",
    [
        {"all": False, "quorum": 0, "exclude": [], "key": "", "wait": 0, "silent": False},
        {"mood": 1},
    ],
)
def test_a_call_that_asks_for_nothing_has_no_options(members: dict[str, Any]) -> None:
    frame = read(k="call", id=1, to="a.b", **members)
    assert (frame.options, frame.flags) == (b"", 0)


def test_a_silent_call_is_a_tell() -> None:
    frame = read(k="call", id=1, to="a.b", silent=True)
    assert (frame.flags, frame.options) == (FLAG_SILENT, b"")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"reply": 1}, r"not a text frame: Expected `str`, got `int` - at `\$.reply`"),
        ({"quorum": "3"}, r"at `\$.quorum`"),
        ({"exclude": "a"}, r"Expected `array`, got `str` - at `\$.exclude`"),
        ({"exclude": [1]}, r"at `\$.exclude\[0\]`"),
        ({"all": 1}, r"at `\$.all`"),
        ({"silent": "yes"}, r"at `\$.silent`"),
        ({"wait": True}, r"at `\$.wait`"),
        ({"wait": -1}, "wait is milliseconds, 0 to 4294967295"),
        ({"wait": 2**32}, "wait is milliseconds"),
        ({"exclude": ["a" * SECTION_BYTES_MAX]}, "beside its payload takes at most 32768 bytes"),
    ],
)
def test_a_wrong_wish_of_a_call_is_refused(members: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        read(k="call", id=9, to="a.b", **members)
    assert caught.value.details == {"id": 9}


def test_what_only_calls_ask_for_means_nothing_elsewhere() -> None:
    frame = read(k="emit", event="A", reply=1, quorum="x", silent=True, all=[], wait=-1)
    assert (frame.options, frame.flags) == (b"", 0)


@pytest.mark.parametrize("field", GRAVE_FIELDS)
@pytest.mark.parametrize("kind", ["call", "sub", "emit", "get", "item", "end"])
def test_a_grave_field_is_refused_where_it_means_nothing(kind: str, field: str) -> None:
    names = {"to": "a.b", "pattern": "a", "event": "A", "key": "a"}
    if field in OPTIONS_OF.get(Kind[kind.upper()], {}):
        assert json.loads(read(k=kind, id=1, **names, **{field: 7}).options)
        return
    with pytest.raises(BadRequest, match=f"{field} means nothing in a {kind} frame"):
        read(k=kind, id=1, **names, **{field: None})


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ({"k": "put", "ttl": 0}, {"ttl_ms": 0}),
        ({"k": "put", "ttl": 5, "fast": True}, {"ttl_ms": 5, "fast": True}),
        ({"k": "put", "op": "incr", "ephemeral": False}, {"op": "incr", "ephemeral": False}),
        ({"k": "del", "fast": True, "ttl": 5, "op": 7}, {"fast": True}),
        ({"k": "get", "history": 3}, {"history": 3}),
        ({"k": "watch", "prefix": "a", "since": 0}, {"since": 0}),
        ({"k": "watch", "prefix": "a", "history": 3, "fast": 1}, {}),
        ({"k": "emit", "event": "A", "history": "x", "op": 1, "fast": 2}, {"key": "a"}),
    ],
)
def test_options_of_the_state_are_fields(line: dict[str, Any], options: dict[str, Any]) -> None:
    frame = read(id=4, key="a", **line)
    assert json.loads(frame.options or b"{}") == options
    assert frame.ttl_ms == 0


@pytest.mark.parametrize(("kind", "field"), [("watch", "ephemeral"), ("put", "since")])
def test_a_field_of_another_request_is_refused(kind: str, field: str) -> None:
    with pytest.raises(BadRequest, match=f"{field} means nothing in a {kind} frame"):
        read(k=kind, id=1, key="a", prefix="a", **{field: 1})


def test_the_frames_of_a_stream_are_read() -> None:
    item = read(k="item", id=4, d=[1])
    assert (item.kind, item.id, item.payload, item.coding, item.flags) == (0x21, 4, b"[1]", JSON, 0)
    piece = read(k="item", id=4, b="igE=", up=True, more=True)
    assert (piece.payload, piece.coding) == (b"\x8a\x01", Coding.BYTES)
    assert piece.flags == FLAG_UP | FLAG_MORE
    assert read(k="end", id=4, up=True) == Frame(kind=Kind.END, id=4, flags=FLAG_UP)
    credit = read(k="credit", id=4, items=32, bytes=1000, up=True)
    assert credit.flags == FLAG_UP
    assert load(Credit, credit.payload, "credit") == Credit(items=32, bytes=1000)
    reset = read(k="reset", id=4, code="sad", message="no")
    assert load(ErrorBody, reset.payload, "reset") == ErrorBody(code="sad", message="no")
    assert reset.flags == 0


def test_an_instance_accepts_a_command_with_more() -> None:
    assert read(k="reply", id=4, more=True) == Frame(kind=Kind.REPLY, id=4, flags=FLAG_MORE)


@pytest.mark.parametrize("kind", ["progress", "fail", "cancel", "emit", "ping", "call"])
def test_a_mark_is_not_set_where_it_means_nothing(kind: str) -> None:
    frame = read(k=kind, id=1, to="a.b", event="A", code="x", up=True, more=True)
    assert frame.flags == 0
    assert read(k="reply", id=1, up=True).flags == 0
    assert read(k="end", id=1, more=True).flags == 0


def test_a_text_peer_says_itself_that_it_understands_streams() -> None:
    silent = load(Hello, read(k="hello", v=1).payload, "hello")
    assert (silent.streams, silent.resumable, silent.link) == (False, False, False)
    assert load(Hello, read(k="hello", v=1, streams=True).payload, "hello").streams


def test_a_text_peer_is_never_resumed_by_bytes_it_cannot_count() -> None:
    frame = read(k="hello", v=1, instance="k3", resume="s", resumable=True, received=9, link=True)
    assert load(Hello, frame.payload, "hello") == Hello(v=1, instance="k3", resume="s")


# --- both ways -----------------------------------------------------------------------------------


def test_a_frame_survives_both_translations() -> None:
    line = encode_text(
        decode(encode(Frame(kind=Kind.PUT, id=3, name=b"a/b", payload=b"[1]", coding=1)))
    )
    assert json.loads(encode_text(decode(decode_text(line)))) == json.loads(line)


@pytest.mark.parametrize(
    "members",
    [
        {"k": "call", "to": "a@*.b", "reply": "ack", "quorum": 2, "exclude": ["x"], "wait": 9},
        {"k": "call", "to": "a.b", "key": "k", "idempotency_key": "i", "version": "~2.1"},
        {"k": "call", "to": "a.b", "all": True, "first": True, "upload": "payload"},
        {"k": "call", "to": "a.b", "silent": True},
        {"k": "item", "d": [1], "up": True, "more": True},
        {"k": "credit", "items": 1, "bytes": 2, "up": True},
        {"k": "end", "up": True},
        {"k": "reset", "code": "x", "message": "y", "up": True},
        {"k": "reply", "more": True},
    ],
)
def test_a_line_survives_both_translations(members: dict[str, Any]) -> None:
    assert written(read(id=1, **members)) == {"id": 1} | members
