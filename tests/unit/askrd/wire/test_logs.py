"""Holds what a log may be defined as."""

import pytest

from askrd.wire import limits
from askrd.wire.bodies import dump
from askrd.wire.errors import BadRequest
from askrd.wire.logs import LogDefinition, check_definition, read_definition


def test_what_is_left_out_has_its_default() -> None:
    found = read_definition(b'{"name":"orders","patterns":["orders.**","orders.**","b"]}')
    assert found == LogDefinition(name="orders", patterns=["orders.**", "b"])
    assert (found.age_ms, found.count, found.bytes) == (
        limits.LOG_AGE_MS,
        limits.LOG_EVENTS,
        limits.LOG_BYTES,
    )
    assert (found.ack_wait_ms, found.deliveries_max) == (limits.ACK_WAIT_MS, limits.DELIVERIES)
    assert read_definition(dump(found)) == found


@pytest.mark.parametrize(
    ("member", "least", "most"),
    [
        ("age_ms", 0, limits.LOG_AGE_MS_MAX),
        ("count", 1, limits.LOG_EVENTS_MAX),
        ("bytes", 1024, limits.LOG_BYTES_MAX),
        ("ack_wait_ms", 1, limits.ACK_WAIT_MS_MAX),
        ("deliveries_max", 1, limits.DELIVERIES_MAX),
    ],
)
def test_every_number_has_its_range(member: str, least: int, most: int) -> None:
    def defined(value: int) -> LogDefinition:
        return check_definition(LogDefinition(name="a", patterns=["**"], **{member: value}))

    assert (getattr(defined(least), member), getattr(defined(most), member)) == (least, most)
    for value in (least - 1, most + 1):
        with pytest.raises(BadRequest, match=member):
            defined(value)


@pytest.mark.parametrize(
    ("name", "patterns"),
    [("", ["**"]), ("a.b", ["**"]), ("a", []), ("a", ["a..b"]), ("a", [str(n) for n in range(65)])],
)
def test_name_and_patterns_follow_the_grammar(name: str, patterns: list[str]) -> None:
    with pytest.raises(BadRequest):
        check_definition(LogDefinition(name=name, patterns=patterns))
