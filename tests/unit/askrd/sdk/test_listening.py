"""Listeners get typed events in order, one at a time, and never lose any silently."""

import asyncio
import json
from contextvars import ContextVar
from typing import Any

import pytest

from askrd.sdk.context import Context
from askrd.sdk.hearing import hearing
from askrd.sdk.listening import EVENTS_PER_TASK_MAX, WAITING_MAX, Listener
from askrd.sdk.middleware import Passage
from askrd.sdk.receipts import NoWay, Receipt
from askrd.sdk.values import Event, MarkedEvent
from askrd.sdk.work import Work
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.bodies import EventOptions
from askrd.wire.errors import BadRequest
from askrd.wire.frames import Coding, Frame, Kind


def event(payload: Any, seq: int = 1, subject: str = "X") -> Event[Any]:
    data = json.dumps(payload).encode()
    return Event(
        Frame(kind=Kind.EVENT, id=seq, name=subject.encode(), payload=data, coding=Coding.JSON)
    )


def told(listener: Listener, *events: Event[Any]) -> None:
    async def story() -> None:
        work = Work("test", asyncio.get_running_loop())
        listener.start(work)
        for one in events:
            listener.take(one)
        await work.finish(1000)
        work.close()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story())


def test_untyped_listener_gets_the_payload() -> None:
    seen: list[Any] = []

    def heard(payload):
        seen.append(payload)

    told(Listener("*", heard, ()), event({"a": 1}), event(None))
    assert seen == [{"a": 1}, None]


def test_event_listener_gets_the_event_with_a_checked_payload(caplog) -> None:
    seen: list[Any] = []

    async def heard(event: Event[int]) -> None:
        seen.append((event.subject, event.payload, event.seq))

    listener = Listener("*", heard, ())
    told(listener, event(1), event("x", 2), event(3, 3))
    assert seen == [("X", 1, 1), ("X", 3, 3)]
    assert listener.schema == {"type": "integer"}
    (record,) = caplog.records
    assert "did not get an event X" in record.getMessage()


def test_typed_listener_gets_a_checked_payload(caplog) -> None:
    seen: list[Any] = []

    def heard(numbers: list[int]) -> None:
        seen.append(numbers)

    told(Listener("*", heard, ()), event([1]), event(["x"]))
    assert seen == [[1]]
    assert "Expected int, got str at $[0]" in caplog.text


def test_listener_without_parameters_is_just_called() -> None:
    seen: list[Any] = []
    told(Listener("*", lambda: seen.append(1), ()), event(5))
    assert seen == [1]


def test_events_are_handled_one_at_a_time_in_order() -> None:
    trace: list[str] = []

    async def heard(number: int) -> None:
        trace.append(f"{number} in")
        await asyncio.sleep(3 - number)
        trace.append(f"{number} out")

    told(Listener("*", heard, ()), event(1), event(2), event(3))
    assert trace == ["1 in", "1 out", "2 in", "2 out", "3 in", "3 out"]


def test_error_is_logged_and_the_next_event_is_handled(caplog) -> None:
    seen: list[int] = []

    async def heard(number: int) -> None:
        seen.append(10 // number)

    told(Listener("n.*", heard, ()), event(0), event(5))
    assert seen == [2]
    assert "which listens to n.*, failed" in caplog.text


def test_slow_listener_drops_the_oldest_and_says_how_many(caplog) -> None:
    seen: list[int] = []

    async def heard(number: int) -> None:
        seen.append(number)

    told(Listener("*", heard, ()), *map(event, range(WAITING_MAX + 3)))
    assert seen == [0, *range(3, WAITING_MAX + 3)]
    assert "the oldest are dropped" in caplog.text
    assert "it missed 2 events" in caplog.text


def test_middleware_may_replace_the_payload() -> None:
    seen: list[Any] = []

    async def skin(passage: Passage, call_next: Any) -> Any:
        passage.payload = passage.payload + 1
        return await call_next()

    def payload(number: int) -> None:
        seen.append(number)

    def whole(event: Event) -> None:
        seen.append(event.payload)

    told(Listener("*", payload, [skin]), event(1))
    told(Listener("*", whole, [skin]), event(1))
    assert seen == [2, 2]


async def several(a: int, b: int) -> None: ...


async def with_context(ctx: Context) -> None: ...


async def generator(a: int):
    yield a


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (several, "several arguments"),
        (with_context, "only commands have"),
        (generator, "generator"),
    ],
)
def test_what_cannot_listen_is_refused(function, why) -> None:
    with pytest.raises(BadRequest, match=why):
        Listener("*", function, ())


def test_pattern_that_breaks_the_grammar_is_refused() -> None:
    with pytest.raises(BadRequest, match="last segment"):
        Listener("a.**.b", several, ())


def test_context_variables_are_those_of_one_event() -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)
    seen: list[tuple[int, int]] = []

    async def function(payload: int) -> None:
        before = variable.get()
        variable.set(payload)
        if payload == 2:
            await asyncio.sleep(1)
        seen.append((before, variable.get()))

    told(Listener("*", function, ()), event(1), event(2), event(3))
    assert seen == [(0, 1), (0, 2), (0, 3)]


def test_a_flood_of_events_lets_others_have_their_turn() -> None:
    turns: list[int] = []
    seen: list[int] = []

    async def heard(number: int) -> None:
        if number == 0:
            asyncio.get_running_loop().call_soon(lambda: turns.append(len(seen)))
        seen.append(number)

    told(Listener("*", heard, ()), *map(event, range(EVENTS_PER_TASK_MAX * 2)))
    assert turns == [EVENTS_PER_TASK_MAX]
    assert seen == [*range(EVENTS_PER_TASK_MAX * 2)]


class Desk:
    """Remembers what was said to events."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def ack(self, sub: int, seq: int, promise: Any, at: float) -> None:
        self.said.append(("ack", seq))

    def nak(self, sub: int, seq: int, delay_ms: int, promise: Any, at: float) -> None:
        self.said.append(("nak", seq, delay_ms))

    def answer(self, id_: int, payload: bytes, coding: int) -> None:
        self.said.append(("answer", id_, payload))


def wanting(desk: Desk, payload: Any, **options: int) -> Event[Any]:
    receipt = Receipt(
        EventOptions(**options), desk, NoWay(), wants_ack="delivery" in options, is_auto=True
    )
    plain = event(payload)
    return MarkedEvent(plain._frame, receipt)


def test_a_consumers_event_is_acknowledged_after_success_and_told_again_after_failure() -> None:
    desk = Desk()

    async def heard(number: int) -> None:
        _ = 1 // number

    told(
        Listener("*", heard, ()),
        wanting(desk, 1, log_seq=1, delivery=1),
        wanting(desk, 0, log_seq=2, delivery=3),
        wanting(desk, "misfit", log_seq=3, delivery=100),
    )
    assert desk.said == [("ack", 1), ("nak", 2, 4000), ("nak", 3, 60_000)]


def test_what_a_listener_returns_is_the_answer_also_through_middleware() -> None:
    desk = Desk()

    async def skin(passage: Passage, call_next: Any) -> Any:
        return {"by": await call_next()}

    def plain(number: int) -> int | None:
        return number or None

    told(Listener("*", plain, ()), wanting(desk, 5, answer=1), wanting(desk, 0, answer=2))
    told(Listener("*", plain, [skin]), wanting(desk, 6, answer=3))
    assert desk.said == [("answer", 1, b"5"), ("answer", 2, b""), ("answer", 3, b'{"by":6}')]


def test_what_a_member_of_a_group_drops_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def whole() -> None:
        async def slow(_: Any) -> None:
            await asyncio.sleep(60)

        work = Work("test", asyncio.get_running_loop())
        listener = Listener("*", slow, (), hearing(group="g"))
        listener.start(work)
        for number in range(3):
            listener.take(event(number))
        await asyncio.sleep(0)
        listener.stop()
        await work.finish(0.0)

    asyncio.run(whole())
    (record,) = caplog.records
    assert "2 events are dropped" in record.getMessage()
