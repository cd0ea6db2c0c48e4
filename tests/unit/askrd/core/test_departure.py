"""The daemon goes away: everybody is told, what was on its way is heard, nobody is left behind."""

from askrd.core import departure
from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import SECOND, Desk


def test_who_has_not_read_of_it_is_counted_until_it_answers() -> None:
    desk = Desk()
    one, two, script = desk.join(), desk.join(), desk.join(is_held=False)
    assert departure.uninformed(desk.router.board) == 3 - len([script]), (
        "nobody has read what was not said yet"
    )
    desk.router.drain(20_000, desk.now_us)
    assert departure.uninformed(desk.router.board) == 2, "a script need not answer pings"
    one.say(Frame(kind=Kind.PONG))
    assert departure.uninformed(desk.router.board) == 1
    two.say(Frame(kind=Kind.PONG))
    assert departure.uninformed(desk.router.board) == 0


def test_an_answer_to_an_earlier_ping_says_nothing_of_the_drain() -> None:
    desk = Desk()
    me = desk.join()
    desk.after(11 * SECOND)
    me.say(Frame(kind=Kind.PONG))
    desk.router.drain(20_000, desk.now_us)
    assert departure.uninformed(desk.router.board) == 1


def test_a_running_command_may_ask_others_while_the_daemon_drains() -> None:
    desk = Desk()
    store, agent, me = desk.serve("store"), desk.serve("agent"), desk.join()
    me.call(1, "agent.fetch")
    desk.router.drain(20_000, desk.now_us)
    agent.call(7, "store.fetch", hops=1)
    assert [frame.kind for frame in store.heard()][-1] == Kind.CALL
    me.call(2, "store.fetch", hops=1)
    assert me.fails() == {2: "draining"}, "who carries nothing out has nothing to finish"
