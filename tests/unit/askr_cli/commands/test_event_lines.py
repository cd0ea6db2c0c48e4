"""Holds how one event is printed in each form."""

import json
from datetime import datetime

import pytest

from askr_cli.commands.event_lines import EventLines, field_of
from askr_cli.exits import Usage
from askr_cli.profile import Options
from askr_cli.render import clock, date_and_clock
from askrd.sdk.receipts import Receipt
from askrd.sdk.values import Event, MarkedEvent
from askrd.wire.bodies import EventOptions
from askrd.wire.frames import FLAG_KEPT, STAMP_TIME, Coding, Frame, Kind
from tests.unit.askr_cli.terminals import KeptTerminal

TS_MS = 1_763_680_001_004


def event(payload: bytes = b'{"id": 7}', **members: object) -> Event[object]:
    stamp = STAMP_TIME.pack(TS_MS * 1000) + b"agent@k3Tz9a"
    base = {"name": b"orders.paid", "id": 118, "coding": Coding.JSON, "stamp": stamp}
    return Event(Frame(kind=Kind.EVENT, payload=payload, **(base | members)))  # type: ignore[arg-type]


def printed(one: Event[object], *, json: bool = False, **form: object) -> str:
    terminal = KeptTerminal(options=Options(json=json))
    chosen = {"raw": False, "fields": None, "time": False, "delta": False} | form
    lines = EventLines(terminal, **chosen)  # type: ignore[arg-type]
    lines.show(one)
    return terminal.kept_out.text


def test_a_line_for_people() -> None:
    assert printed(event()) == f'{clock(TS_MS)} orders.paid  agent-k3Tz9a  {{"id":7}}\n'


def test_an_object_for_programs() -> None:
    assert json.loads(printed(event(), json=True)) == {
        "event": "orders.paid",
        "payload": {"id": 7},
        "from": {"service": "agent", "instance": "k3Tz9a"},
        "seq": 118,
        "ts": TS_MS,
    }


def test_time_is_written_out() -> None:
    told = json.loads(printed(event(), json=True, time=True))
    assert datetime.fromisoformat(told["time"]).timestamp() * 1000 == TS_MS


def test_delta_counts_from_the_event_before() -> None:
    terminal = KeptTerminal(options=Options(json=True))
    lines = EventLines(terminal, raw=False, fields=None, time=False, delta=True)
    lines.show(event())
    lines.show(event(stamp=STAMP_TIME.pack((TS_MS + 250) * 1000) + b"a@b"))
    told = [json.loads(line)["delta_ms"] for line in terminal.kept_out.text.splitlines()]
    assert told == [0, 250]


def test_fields_are_tab_separated() -> None:
    fields = "payload.id,from.service,seq,id,nope"
    assert printed(event(), fields=fields) == "7\tagent\t118\t7\t\n"


def test_fields_are_members_for_programs() -> None:
    told = json.loads(printed(event(), json=True, fields="payload.id,nope"))
    assert told == {"payload.id": 7, "nope": None}


def test_raw_is_the_payload_alone() -> None:
    assert printed(event(), raw=True) == '{"id": 7}\n'
    assert printed(event(b"ab", coding=Coding.BYTES), raw=True) == "ab"


def test_raw_is_not_for_a_terminal() -> None:
    with pytest.raises(Usage):
        EventLines(KeptTerminal(is_terminal=True), raw=True, fields=None, time=False, delta=False)


def test_a_payload_that_lies_about_being_json_is_shown_as_bytes() -> None:
    assert json.loads(printed(event(b"\xff{"), json=True))["payload"] == {"b": "/3s="}


def test_a_hostile_payload_is_harmless() -> None:
    line = printed(event('"\u202e\x9b2J"'.encode(), name="a\u202eb".encode()))
    assert line.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("path", "found"),
    [("payload.a.1.b", 5), ("a.1.b", 5), ("payload.a.9", None), ("seq.x", None), ("a.x", None)],
)
def test_paths_lead_into_the_event_or_its_payload(path: str, found: object) -> None:
    whole = {"payload": {"a": [1, {"b": 5}]}, "seq": 3}
    assert field_of(whole, path) == found


class Nowhere:
    """Where receipts go that nobody sends."""

    def ack(self, *_: object) -> None:
        raise AssertionError

    nak = answer = ask = tell = ack


def told_again(**options: object) -> Event[object]:
    stamp = STAMP_TIME.pack(TS_MS * 1000) + b"agent@k3Tz9a"
    frame = Frame(
        kind=Kind.EVENT, name=b"orders.paid", id=118, payload=b"7", coding=Coding.JSON,
        stamp=stamp, flags=FLAG_KEPT,
    )  # fmt: skip
    return MarkedEvent(frame, Receipt(EventOptions(**options), Nowhere(), Nowhere()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sub": 1}, "(earlier)"),
        ({"sub": 1, "retained": True}, "(retained)"),
        ({"sub": 1, "log_seq": 3}, "(log 3)"),
        ({"sub": 1, "log_seq": 3, "delivery": 1}, "(log 3)"),
        ({"sub": 1, "log_seq": 3, "delivery": 2}, "(log 3, delivery 2)"),
    ],
)
def test_a_line_says_how_an_earlier_event_came_and_of_which_day(
    options: dict[str, object], words: str
) -> None:
    when = f"{date_and_clock(TS_MS)}.{TS_MS % 1000:03d}"
    assert printed(told_again(**options)) == f"{when} orders.paid  agent-k3Tz9a  7  {words}\n"


def test_an_object_says_how_an_earlier_event_came() -> None:
    plain = set(json.loads(printed(event(), json=True)))
    assert set(json.loads(printed(told_again(sub=1), json=True))) == plain
    retained = json.loads(printed(told_again(retained=True), json=True))
    assert set(retained) - plain == {"retained"}
    logged = json.loads(printed(told_again(log_seq=3, delivery=2), json=True))
    assert (logged["log_seq"], logged["delivery"]) == (3, 2)
    assert set(logged) - plain == {"log_seq", "delivery"}
