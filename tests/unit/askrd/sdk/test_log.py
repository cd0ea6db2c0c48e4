"""A log's definition says only what was given; its rows are read or refused."""

from typing import Any

import pytest

from askrd.sdk.log import Consumer, Log, definition, read
from askrd.wire.bodies import dump
from askrd.wire.errors import BadRequest
from askrd.wire.logs import read_definition

NOTHING: dict[str, Any] = {
    "age": None, "count": None, "bytes": None, "ack_wait": None, "max_deliveries": None,
}  # fmt: skip


def test_only_what_was_given_is_said() -> None:
    assert definition("orders", ("order.*",), **NOTHING) == {
        "name": "orders", "patterns": ["order.*"],
    }  # fmt: skip


def test_times_are_milliseconds_and_the_daemon_understands_all_of_it() -> None:
    said = definition(
        "orders", ("a", "b"), age=0.5, count=7, bytes=4096, ack_wait=2, max_deliveries=3
    )
    assert said == {
        "name": "orders", "patterns": ["a", "b"], "age_ms": 500, "count": 7, "bytes": 4096,
        "ack_wait_ms": 2000, "deliveries_max": 3,
    }  # fmt: skip
    assert read_definition(dump(said)).deliveries_max == 3


def test_a_log_without_a_pattern_is_refused() -> None:
    with pytest.raises(BadRequest, match="needs a pattern"):
        definition("orders", (), **NOTHING)


def test_rows_are_read_and_what_is_new_in_them_is_ignored() -> None:
    log = read(Log, {"name": "orders", "patterns": ["a"], "events": 3, "mood": "good"})
    assert (log.name, log.patterns, log.events) == ("orders", ["a"], 3)
    assert read(list[Consumer], [{"consumer": "c", "seq": 4}]) == [Consumer("c", 4)]


def test_a_row_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(BadRequest, match="row of a log"):
        read(Log, {"events": 3})
