"""Holds what a caller may want of a command, what the service agrees to, and what its instance is told."""

from typing import Any

import pytest

from askrd.wire.frames import FLAG_HEAD, FLAG_SILENT, Coding, Frame, Kind
from tests.unit.askrd.core.desk import Desk, Mate, body

MODES = ("none", "ack", "value", "stream")


def room(**spec: Any) -> tuple[Desk, Mate, Mate]:
    desk = Desk()
    agent = desk.offer("agent", {"name": "fetch"} | spec)
    return desk, agent, desk.join(streams=True)


def wants(mode: str) -> dict[str, Any]:
    """Returns how a caller says that it wants ``mode``."""
    return {"fields": {"flags": FLAG_SILENT}} if mode == "none" else {"reply": mode}


@pytest.mark.parametrize("declared", MODES)
@pytest.mark.parametrize("wanted", MODES)
def test_a_caller_may_want_less_than_is_declared_and_not_more(declared: str, wanted: str) -> None:
    desk, agent, me = room(reply=declared)
    me.want(1, **wants(wanted))
    if MODES.index(wanted) > MODES.index(declared):
        assert me.fails() == {1: "bad_request"}
        assert agent.heard() == []
        desk.assert_nothing_is_left()
        return
    (call,) = agent.calls()
    assert me.fails() == {}
    if wanted == "none":
        assert (call.id, call.flags & FLAG_SILENT, call.options) == (0, FLAG_SILENT, b"")
    elif wanted == declared:
        assert (call.id, call.flags, call.options) == (1, 0, b"")
    else:
        assert (call.id, call.flags & FLAG_SILENT) == (1, 0)
        assert call.options == b'{"reply":"%s"}' % wanted.encode()


@pytest.mark.parametrize(
    ("declared", "told"),
    [("none", b""), ("ack", b""), ("value", b""), ("stream", b'{"reply":"value"}')],
)
def test_who_wants_nothing_gets_a_value_or_what_there_is(declared: str, told: bytes) -> None:
    _desk, agent, me = room(reply=declared)
    me.call(1, payload=b"p")
    (call,) = agent.calls()
    assert (call.options, call.payload) == (told, b"p")
    assert bool(call.flags & FLAG_SILENT) == (declared == "none")


def test_the_instance_hears_nothing_of_options_that_are_the_daemons() -> None:
    _desk, agent, me = room()
    options = {
        "exclude": ["zz"],
        "key": "k",
        "idempotency_key": "i",
        "wait_ms": 9,
        "reply": "value",
    }
    head = b'{"traceparent":"x"}'
    fields = {"head": head, "payload": b"{}", "coding": Coding.JSON, "hops": 3, "ttl_ms": 70}
    me.want(1, fields=fields, **options)
    (call,) = agent.calls()
    assert (call.flags, call.head, call.options) == (FLAG_HEAD, head, b"")
    assert (call.payload, call.coding, call.hops, call.ttl_ms) == (b"{}", Coding.JSON, 3, 70)


def test_headers_go_with_what_the_instance_is_told() -> None:
    _desk, agent, me = room(reply="stream")
    me.want(1, fields={"head": b'{"a":"b"}', "payload": b"p"})
    (call,) = agent.calls()
    assert (call.head, call.options, call.payload) == (b'{"a":"b"}', b'{"reply":"value"}', b"p")


@pytest.mark.parametrize(
    "options",
    [
        b"[]",
        b'{"unknown":1}',
        b'{"reply":"none"}',
        b'{"reply":1}',
        b'{"upload":"bytes"}',
        b'{"quorum":-1}',
        b'{"quorum":1.5}',
        b'{"quorum":true}',
        b'{"wait_ms":-1}',
        b'{"exclude":"i0"}',
        b'{"exclude":["a b"]}',
        b'{"exclude":[null]}',
        b'{"version":"^x"}',
        b'{"version":"*"}',
        b'{"all":1}',
        b'{"key":"\\ud800"}',
        b'{"idempotency_key":"\\ud800"}',
        b'{"idempotency_key":"%s"}' % (b"x" * 201),
        b"\xff",
        b"[" * 20_000,
    ],
)
def test_odd_options_are_a_bad_request_and_nothing_more(options: bytes) -> None:
    desk, agent, me = room()
    frame = Frame(kind=Kind.CALL, id=1, name=b"agent.fetch", flags=2, options=options)
    me.say(frame)
    assert me.fails() == {1: "bad_request"}
    assert agent.heard() == []
    desk.assert_nothing_is_left()


def test_huge_numbers_in_options_do_no_harm() -> None:
    desk, agent, me = room()
    me.say(
        Frame(
            kind=Kind.CALL, id=1, name=b"agent.fetch",
            options=b'{"quorum":9223372036854775807,"wait_ms":9223372036854775807}',
        ),
        Frame(
            kind=Kind.CALL, id=2, name=b"nobody.fetch", ttl_ms=100,
            options=b'{"wait_ms":99999999999999999999999}',
        ),
    )  # fmt: skip
    desk.after(300_000)
    assert [call.id for call in agent.calls()] == [1]
    agent.reply(1)
    assert me.fails() in ({2: "service_unknown"}, {2: "bad_request"})
    desk.assert_nothing_is_left()


# --- uploads -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "wanted", "upload", "code"),
    [
        ({"upload": True}, {}, "items", ""),
        ({"upload": True, "reply": "stream"}, {"reply": "stream"}, "items", ""),
        ({}, {}, "payload", ""),
        ({"reply": "ack"}, {}, "payload", ""),
        ({}, {}, "items", "bad_request"),
        ({"upload": True}, {"reply": "ack"}, "items", "bad_request"),
        ({"upload": True}, {"fields": {"flags": FLAG_SILENT}}, "items", "bad_request"),
        ({}, {"fields": {"flags": FLAG_SILENT}}, "payload", "bad_request"),
        ({"reply": "none"}, {}, "payload", "bad_request"),
    ],
)
def test_an_upload_goes_with_commands_that_take_one_and_answer(
    declared: dict[str, Any], wanted: dict[str, Any], upload: str, code: str
) -> None:
    _desk, agent, me = room(**declared)
    me.want(1, upload=upload, **wanted)
    assert me.fails() == ({1: code} if code else {})
    told = [call.options for call in agent.calls()]
    assert told == ([] if code else [b'{"upload":"%s"}' % upload.encode()])


def test_a_payload_in_pieces_is_refused_when_no_instance_takes_streams() -> None:
    desk = Desk()
    plain, me = desk.serve(), desk.join(streams=True)
    me.want(1, upload="payload")
    assert me.fails() == {1: "payload_too_large"}
    assert plain.heard() == []
    able = desk.offer("agent", {"name": "fetch"})
    for id_ in (2, 3):
        me.want(id_, upload="payload")
    assert (len(plain.calls()), len(able.calls())) == (0, 2)


# --- what the daemon itself is asked -------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"reply": "ack"}, {"reply": "stream"}, {"upload": "payload"}, {"all": True}, {"first": True},
        {"quorum": 1}, {"exclude": ["i0"]}, {"key": "k"}, {"idempotency_key": "k"},
        {"version": "1"},
    ],
)  # fmt: skip
def test_the_daemons_own_commands_take_no_options(options: dict[str, Any]) -> None:
    me = Desk().join()
    me.want(1, "$askr.ping", **options)
    assert me.fails() == {1: "bad_request"}
    me.want(1, "$askr.ping", reply="value", wait_ms=5)
    (reply,) = me.heard()
    assert body(reply)["daemon"] == "d"


def test_the_daemon_is_told_and_answers_nothing() -> None:
    me = Desk().join()
    me.tell(1, "$askr.ping")
    (reply,) = me.heard()
    assert (reply.kind, reply.payload, reply.coding) == (Kind.REPLY, b"", Coding.NONE)
