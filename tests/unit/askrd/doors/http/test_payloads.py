"""Payloads between frames and HTTP."""

import pytest

from askrd.doors.http.payloads import as_json, body_of, sender_of, sse, text_of
from askrd.wire.errors import BadRequest
from askrd.wire.frames import STAMP_TIME, Coding, Frame, Kind


def frame(payload: bytes, coding: int, kind: Kind = Kind.REPLY, stamp: bytes = b"") -> Frame:
    return Frame(kind=kind, payload=payload, coding=coding, stamp=stamp)


@pytest.mark.parametrize(
    ("payload", "coding", "text"),
    [
        (b"", Coding.NONE, b"null"),
        (b'{"a":\n 1}', Coding.JSON, b'{"a": 1}'),
        (b"\0\xff", Coding.BYTES, b'{"b":"AP8="}'),
        (b"{oops", Coding.JSON, b'{"b":"e29vcHM="}'),
    ],
)
def test_a_payload_is_one_line_of_json(payload: bytes, coding: int, text: bytes) -> None:
    assert text_of(frame(payload, coding)) == text


def test_bytes_are_a_body_as_they_are() -> None:
    assert body_of(frame(b"\0", Coding.BYTES)) == (b"\0", "application/octet-stream")
    assert body_of(frame(b"1", Coding.JSON)) == (b"1\n", "application/json")


def test_a_body_of_json_is_strict_and_an_empty_one_is_null() -> None:
    assert as_json(b" \r\n", "application/json") == (b"", Coding.NONE)
    assert as_json(b" 1\n", "") == (b"1", Coding.JSON)
    for text in (b"{", b"1 2", b"NaN", b'{"a":1,"a":1}'):
        with pytest.raises(BadRequest):
            as_json(text, "application/json")


def test_the_sender_is_read_from_the_stamp() -> None:
    assert sender_of(frame(b"", 0, stamp=b"agent@abc")) == ("agent", "abc")
    event = frame(b"", 0, Kind.EVENT, STAMP_TIME.pack(5) + b"agent@abc")
    assert sender_of(event) == ("agent", "abc")


def test_an_event_for_a_browser_has_its_fields() -> None:
    assert sse(b"1", event="gap", id_="e:1") == b"id: e:1\nevent: gap\ndata: 1\n\n"
    assert sse(b"1") == b"data: 1\n\n"
