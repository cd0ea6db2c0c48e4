"""A context says who asks, how long there is, and which chain of commands this is."""

from typing import Any

import pytest

from askrd.sdk.context import CURRENT, Caller, Context, Inheritance, inherit
from askrd.wire.errors import DeadlineExceeded


def context(now: float = 0.0, **members: Any) -> Context:
    defaults: dict[str, Any] = {
        "service": "agent",
        "command": "fetch",
        "caller": Caller("term", "k3Tz9a"),
        "id": 7,
        "deadline": 30.0,
        "clock": lambda: now,
        "tell": lambda payload: None,
    }
    return Context(**{**defaults, **members})


def test_remaining_time_counts_down_to_zero() -> None:
    assert context(now=10.0).remaining == 20.0
    assert context(now=31.0).remaining == 0.0


def test_correlation_id_is_the_callers() -> None:
    assert context(headers={"askr-correlation": "abc"}).correlation_id == "abc"


def test_correlation_id_is_made_up_once() -> None:
    one = context()
    assert one.correlation_id == one.correlation_id
    assert one.correlation_id != context().correlation_id


@pytest.mark.parametrize(
    ("text", "sent_ms"), [("1700", 1700), ("", None), ("-1", None), ("²", None)]
)
def test_sent_time_is_what_the_caller_said(text, sent_ms) -> None:
    assert context(headers={"askr-sent": text}).sent_ms == sent_ms


def test_progress_goes_to_the_caller() -> None:
    told: list[Any] = []
    context(tell=told.append).progress({"done": 1})
    assert told == [{"done": 1}]


def test_caller_reads_like_a_stamp() -> None:
    assert str(context().caller) == "term@k3Tz9a"


def test_nested_command_inherits_time_correlation_and_depth() -> None:
    outer = context(now=10.0, hops=2, headers={"askr-correlation": "abc"})
    token = CURRENT.set(outer)
    try:
        nested = inherit("b.c", None, None)
        assert (nested.timeout, nested.hops) == (20.0, 3)
        assert nested.headers is not None
        assert nested.headers["askr-correlation"] == "abc"
        assert nested.headers["askr-sent"].isdigit()
        nested = inherit("b.c", 5.0, {"x": "y", "askr-correlation": "own"})
        assert nested.timeout == 5.0
        assert nested.headers is not None
        assert (nested.headers["x"], nested.headers["askr-correlation"]) == ("y", "own")
        assert inherit("b.c", 60.0, None).timeout == 20.0
        outer.is_answered = True
        assert inherit("b.c", None, None) == Inheritance(None, None, 0)
    finally:
        CURRENT.reset(token)


def test_command_out_of_time_sends_nothing_more() -> None:
    token = CURRENT.set(context(now=30.0))
    try:
        with pytest.raises(DeadlineExceeded, match=r"b\.c was not sent"):
            inherit("b.c", None, None)
    finally:
        CURRENT.reset(token)


def test_outside_a_command_nothing_is_inherited() -> None:
    assert inherit("b.c", 5.0, {"x": "y"}) == Inheritance(5.0, {"x": "y"}, 0)
