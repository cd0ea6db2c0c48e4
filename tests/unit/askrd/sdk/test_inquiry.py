"""Commands before they are sent: checked, and cut into pieces when they are large."""

from typing import Any

import pytest

from askrd.sdk.inquiry import Inquiry
from askrd.wire.bodies import CallOptions, load
from askrd.wire.errors import BadRequest, PayloadTooLarge
from askrd.wire.frames import FLAG_SILENT, Coding
from askrd.wire.limits import GATHERED_BYTES_MAX, MIB, STREAM_ITEM_BYTES


def test_a_command_without_wishes_has_no_options() -> None:
    frame = Inquiry("agent.fetch", {"a": 1}).frame(None, None, 0)
    assert (frame.name, frame.payload, frame.options, frame.flags) == (
        b"agent.fetch", b'{"a":1}', b"", 0,
    )  # fmt: skip


def test_time_headers_and_depth_are_said() -> None:
    frame = Inquiry("agent.fetch").frame(1.5, {"a": "b"}, 3)
    assert (frame.ttl_ms, frame.head, frame.hops) == (1500, b'{"a":"b"}', 3)


def test_what_is_told_is_silent_and_may_have_several_hearers() -> None:
    frame = Inquiry("agent@*.fetch", silent=True).frame(None, None, 0)
    assert frame.flags == FLAG_SILENT


def test_a_survey_may_have_several_members_and_a_command_not() -> None:
    Inquiry("agent@*.fetch", options=CallOptions(all=True))
    with pytest.raises(BadRequest, match=r"use survey\(\)"):
        Inquiry("agent@*.fetch")


@pytest.mark.parametrize("options", [CallOptions(all=True), CallOptions(reply="stream")])
def test_the_daemon_answers_once(options: CallOptions) -> None:
    with pytest.raises(BadRequest, match=r"answered by the daemon, with one value: use send\(\)"):
        Inquiry("$askr.peers", options=options)


@pytest.mark.parametrize("timeout", [0, -1, 10**8])
def test_a_senseless_timeout_is_refused_at_once(timeout: float) -> None:
    with pytest.raises(BadRequest, match="a timeout is above 0"):
        Inquiry("agent.fetch", timeout=timeout)


def test_what_fits_stays_as_it_is() -> None:
    inquiry = Inquiry("agent.fetch", b"x" * MIB)
    inquiry.fit(MIB)
    inquiry.fit(0)
    assert inquiry.source is None
    assert len(inquiry.frame(None, None, 0).payload) == MIB


def test_a_large_payload_becomes_an_upload_of_its_own() -> None:
    data = bytes(range(256)) * 5000
    inquiry = Inquiry("agent.fetch", data, options=CallOptions(key="k"))
    inquiry.fit(MIB)
    frame = inquiry.frame(None, None, 0)
    assert load(CallOptions, frame.options, "options") == CallOptions(key="k", upload="payload")
    assert (len(frame.payload), frame.coding) == (STREAM_ITEM_BYTES, Coding.BYTES)
    assert inquiry.source is not None
    rest: list[Any] = list(inquiry.source.values)  # type: ignore[arg-type]  # it is no async one
    assert max(map(len, rest)) == STREAM_ITEM_BYTES
    assert frame.payload + b"".join(rest) == data


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"silent": True}, r"send\(ack=True\)"),
        ({"options": CallOptions(all=True)}, "to each instance"),
        ({"upload": [1]}, "put the large part into it"),
    ],
)
def test_a_payload_that_cannot_go_in_pieces_says_what_can(
    more: dict[str, Any], message: str
) -> None:
    inquiry = Inquiry("agent.fetch", b"x" * 11, **more)
    with pytest.raises(PayloadTooLarge, match=message) as caught:
        inquiry.fit(10)
    assert caught.value.details == {"bytes": 11, "bytes_max": 10}


def test_a_payload_has_a_bound_and_an_upload_has_none() -> None:
    inquiry = Inquiry("agent.fetch", bytes(GATHERED_BYTES_MAX + 1))
    with pytest.raises(PayloadTooLarge, match="give it as upload="):
        inquiry.fit(MIB)


def test_only_a_command_with_a_key_may_be_repeated() -> None:
    assert Inquiry("a.b", options=CallOptions(idempotency_key="k")).may_repeat
    assert not Inquiry("a.b", options=CallOptions(key="k")).may_repeat
