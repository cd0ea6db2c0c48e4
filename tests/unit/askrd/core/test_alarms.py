"""Holds what is to be done at a time: in time, once, with one alarm of the wheel for all."""

from askrd.core.alarms import RUNG_MAX, Alarms
from askrd.core.instants import NEVER_US
from tests.unit.askrd.core.desk import Desk

A, B = ("a",), ("b",)


def begun() -> tuple[Desk, Alarms, list[str]]:
    desk = Desk()
    return desk, desk.router.board.alarms, []


def test_an_alarm_rings_at_its_time_and_once() -> None:
    desk, alarms, rung = begun()
    alarms.arm(A, desk.now_us + 5_000, lambda _: rung.append("a"))
    assert desk.router.next_due_us == alarms.at_us(A) == desk.now_us + 5_000
    desk.after(4_999)
    assert (rung, len(alarms)) == ([], 1)
    desk.after(1)
    desk.after(100_000)
    assert (rung, len(alarms), alarms.at_us(A)) == (["a"], 0, NEVER_US)


def test_the_last_word_counts() -> None:
    desk, alarms, rung = begun()
    for at_ms in (9, 3, 5):
        alarms.arm(A, desk.now_us + at_ms * 1_000, lambda _, at_ms=at_ms: rung.append(at_ms))
    alarms.arm(B, desk.now_us + 1_000, lambda _: rung.append("b"))
    alarms.disarm(B)
    alarms.disarm(("nobody",))
    desk.after(20_000)
    assert rung == [5]


def test_the_same_time_with_another_deed_does_the_other_one() -> None:
    desk, alarms, rung = begun()
    alarms.arm(A, desk.now_us + 10, lambda _: rung.append("first"))
    alarms.arm(A, desk.now_us + 10, lambda _: rung.append("second"))
    desk.after(10)
    assert rung == ["second"]


def test_what_is_armed_while_it_rings_waits_for_the_next_tick() -> None:
    desk, alarms, rung = begun()

    def again(_: object) -> None:
        rung.append("again")
        alarms.arm(A, desk.now_us, again)

    alarms.arm(A, desk.now_us, again)
    desk.router.tick(desk.now_us)
    assert rung == ["again"]
    assert desk.router.next_due_us <= desk.now_us
    desk.router.tick(desk.now_us)
    assert rung == ["again", "again"]


def test_too_many_at_once_ring_in_turns() -> None:
    desk, alarms, rung = begun()
    for number in range(RUNG_MAX + 5):
        alarms.arm(number, desk.now_us, lambda _, number=number: rung.append(number))
    desk.router.tick(desk.now_us)
    assert rung == list(range(RUNG_MAX))
    desk.router.tick(desk.now_us)
    assert len(rung) == RUNG_MAX + 5


def test_arming_over_and_over_leaves_nothing_behind() -> None:
    desk, alarms, _ = begun()
    for number in range(10_000):
        alarms.arm(A, desk.now_us + 10_000 + number, print)
    assert len(alarms._heap) < 100


def test_reminders_of_several_do_not_hide_each_other() -> None:
    desk, alarms, _ = begun()
    board = desk.router.board
    board.expiry.arm(("askr", "key"), desk.now_us + 1_000_000)
    alarms.arm(A, desk.now_us + 500_000, print)
    assert board.wheel.next_due_us == desk.now_us + 500_000
    alarms.arm(A, desk.now_us + 5_000_000, print)
    desk.router.tick(desk.now_us + 600_000)
    assert desk.now_us + 1_000_000 <= board.wheel.next_due_us < desk.now_us + 1_100_000
