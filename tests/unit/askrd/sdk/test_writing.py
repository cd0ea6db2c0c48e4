"""Holds what a write may want beside its value, and what is refused before anything is sent."""

from typing import Any

import msgspec
import pytest

from askrd.sdk.writing import patch_of, step_of, writing
from askrd.wire.errors import BadRequest, SchemaInvalid
from askrd.wire.frames import Coding
from askrd.wire.state import PutOptions


def test_seconds_travel_as_milliseconds() -> None:
    assert writing(ttl=1.5).ttl_ms == 1500
    assert writing(ttl=0.0001).ttl_ms == 1
    assert writing() == PutOptions()
    assert writing("incr", if_rev=0, ephemeral=True, fast=True) == PutOptions(
        op="incr", if_rev=0, ephemeral=True, fast=True
    )


@pytest.mark.parametrize("ttl", [0, -1.0, 2**32 / 1000, float("inf"), float("nan")])
def test_a_time_to_live_has_bounds(ttl: float) -> None:
    with pytest.raises(BadRequest, match="49 days"):
        writing(ttl=ttl)


def test_a_step_of_one_is_no_payload() -> None:
    assert step_of(1) == (b"", Coding.NONE)
    assert step_of(-5) == (b"-5", Coding.JSON)
    assert step_of(2**63 - 1) == (b"9223372036854775807", Coding.JSON)


@pytest.mark.parametrize("by", [True, 1.0, "1", 2**63])
def test_a_step_is_an_integer_of_64_bits(by: Any) -> None:
    with pytest.raises(BadRequest, match="64 bits"):
        step_of(by)


def test_a_patch_is_json() -> None:
    assert patch_of({"a": None}) == (b'{"a":null}', Coding.JSON)
    assert patch_of(None) == (b"null", Coding.JSON)
    assert patch_of(msgspec.Raw(b"[1]")) == (b"[1]", Coding.JSON)
    with pytest.raises(BadRequest, match="set"):
        patch_of(b"x")
    with pytest.raises(SchemaInvalid):
        patch_of({"a": float("nan")})
