"""What `listen` is asked becomes OPTIONS of a subscription, or is refused before anything is sent."""

import json
from typing import Any

import pytest

from askrd.sdk.hearing import PLAIN, Hearing, hearing, patterns_of
from askrd.wire.bodies import Place, SubOptions, load
from askrd.wire.errors import BadRequest


def said(wanted: Hearing, after: Place | None = None) -> Any:
    options = wanted.options(after)
    load(SubOptions, options or b"{}", "options of a sub")
    return json.loads(options or b"{}")


def test_nothing_wanted_is_said_by_no_options() -> None:
    assert hearing() == PLAIN
    assert PLAIN.options() == b""


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        ({"since": 1.5}, {"since_ms": 1500}),
        ({"since": 0.0001}, {"since_ms": 1}),
        ({"retained": False}, {"retained": False}),
        ({"group": "g"}, {"group": "g"}),
        (
            {"group": "g", "policy": "weighted", "weight": 3},
            {"group": "g", "policy": "weighted", "weight": 3},
        ),
        ({"when_full": "drop_oldest"}, {}),
        ({"when_full": "conflate"}, {"when_full": "conflate"}),
        ({"log": "l"}, {"log": "l"}),
        ({"log": "l", "since": 60}, {"log": "l", "since_ms": 60_000}),
        ({"log": "l", "start": "new"}, {"log": "l", "start": "new"}),
        ({"log": "l", "start": 17}, {"log": "l", "start_seq": 17}),
        ({"log": "l", "consumer": "c"}, {"log": "l", "consumer": "c", "unacked_max": 64}),
        (
            {"log": "l", "consumer": "c", "unacked": 2},
            {"log": "l", "consumer": "c", "unacked_max": 2},
        ),
        ({"log": "l", "consumer": "c", "ack": "manual"}, {"log": "l", "consumer": "c"}),
        ({"log": "l", "consumer": "c", "ack": False}, {"log": "l", "consumer": "c", "ack": False}),
    ],
)
def test_what_is_asked_is_said_in_options(asked: Any, options: Any) -> None:
    assert said(hearing(**asked)) == options


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"since": 0}, "above 0"),
        ({"since": -1}, "above 0"),
        ({"since": True}, "above 0"),
        ({"since": 1e9}, "49 days"),
        ({"group": "a b"}, "no group name"),
        ({"policy": "least"}, "without group="),
        ({"weight": 2}, "without group="),
        ({"group": "g", "weight": 0}, "at least 1"),
        ({"group": "g", "policy": "best"}, "round_robin"),
        ({"when_full": "block"}, "conflate"),
        ({"consumer": "c"}, "without log="),
        ({"start": "new"}, "without log="),
        ({"log": "l", "ack": "manual"}, "without consumer="),
        ({"log": "l", "consumer": "c", "ack": True}, "'auto', 'manual', False"),
        ({"log": "l", "unacked": 3}, "without consumer="),
        ({"log": "l", "consumer": "c", "unacked": 0}, "from 1 to 1000"),
        ({"log": "l", "consumer": "c", "unacked": 1001}, "from 1 to 1000"),
        ({"log": "l", "start": "last"}, "'first', 'new'"),
        ({"log": "l", "start": 0}, "from 1 on"),
        ({"log": "l", "start": "new", "since": 1}, "give one of them"),
        ({"log": "l", "group": "g"}, "has no group"),
        ({"log": "l", "when_full": "conflate"}, "no when_full"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: Any, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        hearing(**asked)


def test_who_goes_on_behind_an_event_is_told_nothing_twice() -> None:
    wanted = hearing(since=60, when_full="disconnect")
    assert said(wanted, Place(epoch="e", seq=7)) == {
        "after": {"epoch": "e", "seq": 7},
        "retained": False,
        "when_full": "disconnect",
    }


def test_a_reader_of_a_log_goes_on_behind_its_last_event_and_a_consumer_as_before() -> None:
    reader = hearing(log="l", start="first")
    assert said(reader.behind(0)) == {"log": "l", "start": "first"}
    assert said(reader.behind(41)) == {"log": "l", "start_seq": 42}
    consumer = hearing(log="l", consumer="c")
    assert consumer.behind(41) == consumer


def test_a_consumer_that_wants_few_events_gets_no_more_at_once() -> None:
    consumer = hearing(log="l", consumer="c")
    assert said(consumer.for_count(3))["unacked_max"] == 3
    assert consumer.for_count(None) == consumer
    assert hearing(log="l").for_count(3) == hearing(log="l")


def test_only_an_event_for_one_subscription_is_apart() -> None:
    assert not hearing(since=1, retained=False, when_full="disconnect").is_apart
    assert hearing(group="g").is_apart
    assert hearing(log="l").is_apart
    assert hearing(when_full="conflate").is_apart


def test_a_log_takes_one_filter_or_none() -> None:
    log = hearing(log="l")
    assert patterns_of((), log) == ("**",)
    assert patterns_of(("a.*",), log) == ("a.*",)
    with pytest.raises(BadRequest, match="one pattern"):
        patterns_of(("a", "b"), log)
    with pytest.raises(TypeError, match="at least one pattern"):
        patterns_of((), PLAIN)
    assert patterns_of(("a", "b"), PLAIN) == ("a", "b")
