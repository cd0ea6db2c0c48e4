"""Holds what silence means: a ping, no new commands, the end; and that text peers are spared."""

from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import SECOND, Desk, body

PONG = Frame(kind=Kind.PONG)


def test_a_connection_that_never_says_hello_is_closed() -> None:
    desk = Desk()
    silent = desk.connect()
    desk.after(5 * SECOND + SECOND // 10)
    assert silent.errors() == [(0, "unavailable")]
    assert desk.closes == [(silent, 4003)]
    desk.after(SECOND)
    assert len(desk.closes) == 1


def test_silence_is_met_with_a_ping_then_distrust_then_the_end() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.sub(90, "$askr.service.*")

    def wait(seconds: int) -> None:
        for _ in range(seconds):
            desk.after(SECOND)
            me.say(PONG)

    wait(9)
    assert agent.heard() == []
    wait(2)
    assert agent.kinds() == [Kind.PING]
    me.heard()
    me.call(1)
    assert agent.kinds() == [Kind.CALL]
    wait(10)
    assert me.ask("$askr.services")[0]["state"] == "unresponsive"
    me.call(2)
    assert me.fails() == {2: "no_instance"}
    wait(40)
    assert agent.errors()[-1] == (0, "gone")
    assert desk.closes == [(agent, 4002)]
    assert not [mate for mate, _ in desk.closes if mate is me]


def test_any_byte_makes_an_instance_responsive_again() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.sub(90, "$askr.service.*")
    for _ in range(5):
        desk.after(5 * SECOND)
        me.say(PONG)
    me.heard()
    agent.feed(b"\0")
    (event,) = me.heard()
    assert (event.name, body(event)["state"]) == (b"$askr.service.changed", "active")
    me.call(1)
    assert Kind.CALL in agent.kinds()


def test_commands_that_wait_are_sent_when_a_silent_instance_is_back() -> None:
    desk = Desk()
    silent, paused, me = desk.serve(), desk.serve(), desk.join()
    for _ in range(5):
        desk.after(5 * SECOND)
        me.say(PONG)
        paused.say(PONG)
    paused.pause()
    me.call(1)
    assert me.fails() == {}
    silent.say(PONG)
    assert Kind.CALL in silent.kinds()
    silent.reply(1)
    assert Kind.REPLY in me.kinds()


def test_a_silent_instance_that_is_paused_stays_out_when_it_speaks() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    agent.pause()
    for _ in range(5):
        desk.after(5 * SECOND)
        me.say(PONG)
    agent.say(PONG)
    assert not agent.session.is_ready
    me.call(1)
    agent.resume()
    assert agent.session.is_ready
    assert agent.kinds()[-1] == Kind.CALL


def test_a_text_peer_is_pinged_and_never_closed_for_silence() -> None:
    desk = Desk()
    script = desk.join(is_held=False)
    desk.after(200 * SECOND)
    assert set(script.kinds()) == {Kind.PING}
    assert not desk.closes
    assert not script.session.is_unresponsive


def test_a_closing_session_is_left_alone() -> None:
    desk = Desk()
    me = desk.join()
    me.say(Frame(kind=Kind.BYE))
    desk.after(100 * SECOND)
    assert me.heard() == []
    assert len(desk.closes) == 1
