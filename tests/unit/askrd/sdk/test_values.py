"""Holds the values a program gets: read from frames, decoded when looked at."""

import pytest

from askrd.sdk.values import Change, Event, Gap
from askrd.wire.errors import SchemaInvalid
from askrd.wire.frames import FLAG_KEPT, STAMP_TIME, Coding, Frame, Kind

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


def test_a_gap_speaks_for_itself() -> None:
    assert str(Gap(3, 5, 7)) == "3 events were lost (seq 5 to 7)"
    assert str(Gap(1)) == "1 event was lost", "a log has numbers of its own"
    assert "may have been missed" in str(Gap(None))


def test_a_deletion_has_no_value() -> None:
    assert Change("del", "a", 4).value is None
