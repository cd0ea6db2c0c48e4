"""The daemon goes away: everybody is told, what was on its way is heard, nobody is left behind."""

from askrd.core import departure
from askrd.core.effects import Persist
from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import SECOND, Desk, event_options
from tests.unit.askrd.core.logbook import DEAD, Store, begun, consume, given, restarted
from tests.unit.askrd.core.workshop import ask, options, worker


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


def test_a_job_that_the_end_of_the_daemon_cuts_short_is_not_an_attempt() -> None:
    desk = Desk()
    agent, me = worker(desk, attempts=1), desk.join("me")
    me.sub(9, "$askr.dead.**")
    job = ask(me)
    (call,) = agent.calls()
    assert options(call)["attempt"] == 1
    desk.router.drain(20_000, desk.now_us)
    desk.router.close_all("the daemon is shutting down")
    agent.lose()
    (kept,) = desk.router.board.workspaces["askr"].jobs.items.values()
    assert (str(kept.id), kept.state, kept.attempts) == (job, "queued", 0)
    assert not [frame for frame in me.heard() if frame.kind == Kind.EVENT]


def test_an_event_that_the_end_of_the_daemon_cuts_short_is_not_a_delivery() -> None:
    desk, emitter, reader = begun(1, deliveries_max=1)
    emitter.sub(9, DEAD)
    consume(reader)
    assert given(reader) == [(1, 1)]
    desk.router.drain(20_000, desk.now_us)
    desk.router.close_all("the daemon is shutting down")
    reader.lose()
    desk.after(SECOND)
    assert not [frame for frame in emitter.heard() if frame.kind == Kind.EVENT]
    again = restarted(Store(desk).rows)
    heir = again.join("heir")
    consume(heir)
    assert given(heir) == [(1, 1)]


def test_what_the_store_refused_is_tried_once_more_at_the_end() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    me.put(1, "a", 1, fast=True)
    desk.router.rejected("disk full", desk.now_us)
    desk.settle()
    desk.effects.clear()
    desk.router.drain(20_000, desk.now_us)
    desk.router.close_all("the daemon is shutting down")
    desk.settle()
    assert [each.key for each in desk.effects if isinstance(each, Persist)] == ["a"]


def test_an_event_that_collects_answers_is_in_flight() -> None:
    desk = Desk()
    me, other = desk.join(), desk.join("other")
    other.sub(4, "q")
    other.heard()
    me.publish("q", "?", 7, collect=True)
    assert departure.in_flight(desk.router.board) == 1
    (event,) = [frame for frame in other.heard() if frame.kind == Kind.EVENT]
    other.answer(event_options(event).answer, 1)
    assert departure.in_flight(desk.router.board) == 0
