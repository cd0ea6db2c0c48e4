"""The messages of node-askr: told apart as node-askr does, written as JSON.stringify does."""

import pytest

from askrd.doors import node_askr_words as words
from askrd.doors.node_askr_words import Answer, Command, Nothing, OneWay, Subscription
from askrd.wire.errors import BadRequest
from askrd.wire.frames import FLAG_SEALED, Coding, Frame, Kind


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"workspace":"w","mid":1,"command":"c","data":[]}', Command(b"1", "c", b"[]")),
        (b'{"workspace":"w","mid":1,"command":5,"data":{}}', Command(b"1", "5", b"{}")),
        (
            b'{"type":"subscription","eventType":"X","workspace":"w","mid":1,"command":"c","data":{}}',
            Subscription("X"),
        ),
        (b'{"type":"subscription"}', Subscription("")),
        (b'{"type":"X","payload":null}', OneWay("X", b"null")),
        (b'{"type":"X"}', OneWay("X", b"")),
        (b'{"mid":"m","value":{"a":1}}', Answer(b'"m"', b'{"a":1}', b"")),
        (b'{"mid":"m"}', Answer(b'"m"', b"", b"")),
        (b'{"mid":"m","error":"e"}', Answer(b'"m"', b"", b'"e"')),
        (b'{"workspace":"w","mid":"m","command":"c"}', Nothing(is_foreign=False)),
        (b'{"hello":1}', Nothing(is_foreign=True)),
        (b'{"type":1}', Nothing(is_foreign=True)),
    ],
)
def test_messages_are_told_apart_by_their_members(text: bytes, said: words.Said) -> None:
    assert words.read(text) == said


@pytest.mark.parametrize("text", [b'{"a":NaN}', b'{"a":1,"a":2}', b'{"a":"\xff"}', b'{"a"}'])
def test_only_strict_json_is_read(text: bytes) -> None:
    with pytest.raises(BadRequest):
        words.read(text)


@pytest.mark.parametrize("text", [b"null", b"false", b'""', b"0", b"-0", b"0.0", b"0e7", b""])
def test_what_javascript_takes_for_false(text: bytes) -> None:
    assert not words.is_truthy(text)


@pytest.mark.parametrize("text", [b"true", b"1", b"-1", b"0.5", b'"0"', b"{}", b"[]", b'" "'])
def test_what_javascript_takes_for_true(text: bytes) -> None:
    assert words.is_truthy(text)


def test_what_is_written_is_what_json_stringify_writes() -> None:
    assert words.answer(b'"m"', b"1") == b'{"mid":"m","value":1}'
    assert words.answer(b'"m"', b"") == b'{"mid":"m"}'
    assert words.error(b"7", 'a "b"\n') == b'{"mid":7,"error":"a \\"b\\"\\n"}'
    assert words.event("X", b"[1]") == b'{"type":"X","payload":[1]}'
    assert words.event("X", b"") == b'{"type":"X"}'
    assert words.subscription("X") == b'{"type":"subscription","eventType":"X"}'
    assert (
        words.command("1", "fetch", b"{}")
        == b'{"workspace":"askr","mid":"1","command":"fetch","data":{}}'
    )


@pytest.mark.parametrize(
    ("payload", "coding", "flags", "value"),
    [
        (b"", Coding.NONE, 0, b""),
        (b"", Coding.JSON, 0, b""),
        (b"", Coding.BYTES, 0, b'""'),
        (b'{ "a" : [1,\n 2] }', Coding.JSON, 0, b'{"a":[1,2]}'),
        (b"hi", Coding.BYTES, 0, b'"aGk="'),
        (b"{oops", Coding.JSON, 0, b'"e29vcHM="'),
        (b"1", Coding.JSON, FLAG_SEALED, b'"MQ=="'),
    ],
)
def test_payloads_are_always_json(payload: bytes, coding: int, flags: int, value: bytes) -> None:
    frame = Frame(kind=Kind.REPLY, payload=payload, coding=coding, flags=flags)
    assert words.value_of(frame) == value


@pytest.mark.parametrize(
    ("beginning", "mid"),
    [
        (b'{"workspace":"askr","mid":"a\\"b","command":', b'"a\\"b"'),
        (b'{ "mid" : -1.5e3 ,', b"-1.5e3"),
        (b'{"workspace":"askr","data":{}}', b""),
        (b'{"mid":"never ends', b""),
    ],
)
def test_the_mid_of_a_message_that_cannot_be_read(beginning: bytes, mid: bytes) -> None:
    assert words.mid_in(beginning) == mid
