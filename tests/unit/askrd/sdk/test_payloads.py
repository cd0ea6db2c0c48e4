"""Reads payloads, senders and headers of frames, and takes nothing for what it is not."""

import pytest

from askrd.sdk.payloads import headers_of, read_payload, sender_of
from askrd.wire.errors import UnsealFailed
from askrd.wire.frames import FLAG_SEALED, Coding, Frame, Kind


@pytest.mark.parametrize(
    ("payload", "coding", "value"),
    [(b"", Coding.NONE, None), (b"\0\1", Coding.BYTES, b"\0\1"), (b"[1]", Coding.JSON, [1])],
)
def test_each_coding_has_its_value(payload: bytes, coding: Coding, value: object) -> None:
    assert read_payload(Frame(kind=Kind.REPLY, payload=payload, coding=coding)) == value


def test_a_sealed_payload_is_not_taken_for_an_open_one() -> None:
    with pytest.raises(UnsealFailed):
        read_payload(Frame(kind=Kind.REPLY, payload=b"1", coding=1, flags=FLAG_SEALED))


@pytest.mark.parametrize(
    ("stamp", "sender"),
    [(b"agent@p01x7d", ("agent", "p01x7d")), (b"", ("", "")), (b"$askr@d1", ("$askr", "d1"))],
)
def test_a_stamp_names_service_and_instance(stamp: bytes, sender: tuple[str, str]) -> None:
    assert sender_of(stamp) == sender


def test_foreign_headers_that_are_no_strings_are_ignored() -> None:
    assert headers_of(Frame(kind=Kind.CALL, head=b'{"a":1}')) == {}
    assert headers_of(Frame(kind=Kind.CALL, head=b"\xff")) == {}
