"""What is laid down is checked when it is said, and the message says what may be."""

from typing import Any

import pytest

from askrd.sdk.terms import CommandTerms, ServiceTerms
from askrd.wire.errors import BadRequest


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"reply": "letter"}, "reply='letter': it is one of none, ack, value, stream"),
        ({"mode": "all"}, "mode='all': it is one of balanced, broadcast"),
        ({"policy": "best"}, "policy='best': it is one of round_robin, least, random, hash"),
        ({"concurrency": -1}, "concurrency=-1: it is a whole number, at least 0"),
        ({"concurrency": True}, "concurrency=True"),
        ({"waiting": 1.5}, "waiting=1.5"),
        ({"allow_from": "web"}, "allow_from='web': it is a list of names"),
        ({"allow_from": ["web", ""]}, "allow_from: '' is no name"),
        ({"timeout": 0}, "above 0"),
    ],
)
def test_term_of_a_command_that_cannot_be_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        CommandTerms(**given)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"policy": ""}, "policy='': it is one of"),
        ({"weight": 0}, "weight=0: it is a whole number, at least 1"),
        ({"concurrency": "8"}, "concurrency='8'"),
        ({"connect_to": "store"}, "connect_to='store'"),
        ({"allow_from": [1]}, "allow_from: 1 is no name"),
    ],
)
def test_term_of_a_service_that_cannot_be_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        ServiceTerms(**given)


def test_timeout_is_told_in_milliseconds() -> None:
    assert [CommandTerms(timeout=one).timeout_ms for one in (None, 1.5, 0.0001)] == [0, 1500, 1]
