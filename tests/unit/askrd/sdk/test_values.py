"""Holds the values a program gets: read from frames, decoded when looked at."""

import pytest

from askrd.sdk.values import Change, Event, Gap, headers_of, read_payload, sender_of
from askrd.wire.errors import SchemaInvalid, UnsealFailed
from askrd.wire.frames import FLAG_KEPT, FLAG_SEALED, STAMP_TIME, Coding, Frame, Kind

FRAME = Frame(
    kind=Kind.EVENT,
    id=12,
    name=b"orders.paid",
    payload=b'{"n":1}',
    coding=Coding.JSON,
    flags=FLAG_KEPT,
    head=b'{"trace":"x"}',
    stamp=STAMP_TIME.pack(1_700_000_000_123_456) + b"shop@k3Tz9a",
)


def test_an_event_says_everything_the_daemon_said() -> None:
    event: Event[dict[str, int]] = Event(FRAME)

    assert event.subject == "orders.paid"
    assert event.payload == {"n": 1}
    assert (event.service, event.instance) == ("shop", "k3Tz9a")
    assert (event.seq, event.ts_ms, event.kept) == (12, 1_700_000_000_123, True)
    assert event.headers == {"trace": "x"}
    assert (event.raw, event.coding) == (b'{"n":1}', Coding.JSON)
    assert event.decode(dict[str, float]) == {"n": 1.0}


def test_a_bad_payload_is_found_when_it_is_looked_at() -> None:
    event: Event[object] = Event(Frame(kind=Kind.EVENT, payload=b"{", coding=Coding.JSON))

    assert event.ts_ms == 0
    with pytest.raises(SchemaInvalid):
        _ = event.payload


def test_a_payload_that_does_not_fit_its_type_says_where() -> None:
    with pytest.raises(SchemaInvalid) as caught:
        Event(FRAME).decode(dict[str, str])

    assert caught.value.details["expected"] == "str"


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


def test_a_gap_speaks_for_itself() -> None:
    assert str(Gap(3, 5, 7)) == "3 events were lost (seq 5 to 7)"
    assert "may have been missed" in str(Gap(None))


def test_a_deletion_has_no_value() -> None:
    assert Change("del", "a", 4).value is None
