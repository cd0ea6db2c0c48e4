"""Holds the bodies of administrative frames: how they are read and written."""

import pytest

from askrd.wire.bodies import (
    Body,
    Bye,
    CallOptions,
    CommandSpec,
    Credit,
    ErrorBody,
    EventSpec,
    Gap,
    Hello,
    Provided,
    Provision,
    SubOptions,
    Summary,
    Welcome,
    dump,
    load,
)
from askrd.wire.errors import BadRequest
from tests.unit.askrd.wire.page import tables, words


def test_a_body_says_only_what_differs_from_its_defaults() -> None:
    assert dump(Hello(v=1, name="me")) == b'{"v":1,"name":"me"}'
    assert dump(Bye()) == b"{}"


def test_an_answer_says_everything() -> None:
    assert dump(Provided(service="", instance="")) == b'{"service":"","instance":""}'
    welcome = Welcome(
        v=1,
        id="i",
        instance="",
        workspace="w",
        daemon="d",
        epoch="e",
        resume="",
        version="0",
        limits={},
    )
    assert load(Welcome, dump(welcome), "welcome") == welcome


def test_a_call_that_asks_for_nothing_says_nothing() -> None:
    assert dump(CallOptions()) == b"{}"
    assert dump(CallOptions(reply="ack", wait_ms=5)) == b'{"reply":"ack","wait_ms":5}'


def test_an_option_nobody_knows_is_refused() -> None:
    with pytest.raises(BadRequest, match="options: Object contains unknown field `secrecy`"):
        load(CallOptions, b'{"secrecy":1}', "options")


def test_credit_and_summary_say_every_number() -> None:
    assert dump(Credit(items=0, bytes=0)) == b'{"items":0,"bytes":0}'
    assert dump(Summary(ok=0, failed=0, lost=0)) == b'{"ok":0,"failed":0,"lost":0}'


def test_a_gap_calls_its_first_seq_from() -> None:
    gap = Gap(missed=2, from_=5, to=6, subjects={"a": 2})
    assert dump(gap) == b'{"missed":2,"from":5,"to":6,"subjects":{"a":2}}'
    assert load(Gap, dump(gap), "gap") == gap


def test_unknown_members_are_ignored() -> None:
    assert load(Bye, b'{"reason":"x","mood":[{}]}', "bye") == Bye(reason="x")


def test_an_event_may_be_a_name_or_an_object() -> None:
    provision = load(Provision, b'{"service":"a","emits":["X",{"event":"Y","doc":"y"}]}', "provide")
    assert provision.emits == ["X", EventSpec(event="Y", doc="y")]


def test_defaults_are_not_shared() -> None:
    load(Provision, b'{"service":"a"}', "provide").tags["x"] = "y"
    assert load(Provision, b'{"service":"b"}', "provide").tags == {}


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "fail: Expected `object`, got `null`"),
        (b"[]", "fail: Expected `object`, got `array`"),
        (b"{", "fail: Input data was truncated"),
        (b"{}", "fail: Object missing required field `code`"),
        (b'{"code":5}', r"fail: Expected `str`, got `int` - at `\$.code`"),
        (b'{"code":"a","message":"\xff"}', "fail: .*can't decode byte 0xff"),
        (b'{"code":"a","x":' + b"[" * 100_000, "fail: maximum recursion depth"),
        (b'{"code":"a","details":{"x":NaN}}', "fail: JSON is malformed"),
    ],
)
def test_a_misfit_is_refused_with_its_path(payload: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        load(ErrorBody, payload, "fail")


@pytest.mark.parametrize(
    ("body", "number", "table", "refused"),
    [
        (Hello, "5", 0, set()),
        (Welcome, "5", 1, set()),
        (CallOptions, "6", 0, set()),
        (SubOptions, "7", 0, set()),
        (Provision, "9", 0, {"replaces"}),
        (CommandSpec, "9", 1, set()),
    ],
)
def test_the_page_names_every_member(
    body: type[Body], number: str, table: int, refused: set[str]
) -> None:
    named = [word for row in tables(number)[table] for word in words(row[0])]
    assert sorted(named) == sorted(set(body.__struct_fields__) - refused)
