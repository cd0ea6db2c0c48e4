"""What a caller wants of a command, and what it is told when that makes no sense."""

from typing import Any

import pytest

from askrd.sdk.wishes import call_options, survey_options
from askrd.wire.bodies import CallOptions, dump
from askrd.wire.errors import BadRequest


def test_nothing_wanted_is_nothing_said() -> None:
    assert call_options() == CallOptions()
    assert dump(call_options()) == b"{}"


def test_every_wish_has_its_member() -> None:
    options = call_options(
        reply="value", key="k", idempotency_key="i", wait=1.5, version="^2", exclude=("a1", "b2"),
        upload=[1],
    )  # fmt: skip
    assert options == CallOptions(
        reply="value", key="k", idempotency_key="i", wait_ms=1500, version="^2",
        exclude=["a1", "b2"], upload="items",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wait", "timeout", "wait_ms"),
    [(True, 2, 2000), (True, None, 30_000), (False, 2, 0), (None, 2, 0), (0.25, None, 250)],
)
def test_wait_is_seconds_or_as_long_as_the_timeout(
    wait: Any, timeout: float | None, wait_ms: int
) -> None:
    assert call_options(wait=wait, timeout=timeout).wait_ms == wait_ms


def test_one_excluded_instance_may_stand_alone() -> None:
    assert call_options(exclude="k3Tz9a").exclude == ["k3Tz9a"]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"key": ""}, "key is empty; leave it out"),
        ({"idempotency_key": "x" * 201}, "has 201 characters; at most 200"),
        ({"wait": -1}, "wait=-1: seconds from 0"),
        ({"exclude": ["no word"]}, "no instance name"),
        ({"reply": "ack", "upload": [1]}, "ack=True ends the command"),
    ],
)
def test_a_wish_that_makes_no_sense_says_what_does(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        call_options(**wishes)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [({"key": 5}, "key=5: it takes a string, as key='5'"), ({"exclude": [5]}, "ids of instances")],
)
def test_a_wish_of_the_wrong_type_says_which_is_right(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call_options(**wishes)


def test_a_survey_asks_all() -> None:
    assert survey_options(quorum=2, exclude="a1", ack=True) == CallOptions(
        all=True, quorum=2, exclude=["a1"], reply="ack"
    )
    assert survey_options(first=True).first


@pytest.mark.parametrize("quorum", [0, -1])
def test_a_quorum_is_at_least_one(quorum: int) -> None:
    with pytest.raises(BadRequest, match="at least 1; leave it out to wait for all"):
        survey_options(quorum=quorum)


def test_a_quorum_beside_first_is_refused() -> None:
    with pytest.raises(BadRequest, match="first=True is quorum=1"):
        survey_options(quorum=2, first=True)


@pytest.mark.parametrize("quorum", [True, "2", 1.5])
def test_a_quorum_is_a_number_of_rows(quorum: Any) -> None:
    with pytest.raises(TypeError, match="a number of good rows"):
        survey_options(quorum=quorum)
