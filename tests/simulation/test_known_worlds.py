"""Small worlds made by hand, one for each rule that needs a network to be seen."""

import pytest

from askrd.core import departure
from askrd.wire.codec import encode
from askrd.wire.frames import Coding, Frame, Kind
from tests.simulation.bounds import small_bounds
from tests.simulation.listeners import Listener
from tests.simulation.network import Connection
from tests.simulation.peers import Peer
from tests.simulation.small import SECOND, Silent, Small, fail_codes

pytestmark = pytest.mark.simulation


def test_a_pulled_cable_is_noticed_and_its_commands_fail(small: Small) -> None:
    small.me.ask(Kind.CALL, "agent.fetch", ttl_ms=60_000)
    small.until(lambda: small.agent.calls)
    small.agent.connection.cut_off()
    small.world.run(3 * SECOND)
    assert small.agent.connection.session.is_unresponsive
    small.me.ask(Kind.CALL, "agent.fetch")
    small.world.run(SECOND // 2)
    assert fail_codes(small.me) == ["no_instance"], "it gets no new commands"
    small.world.run(5 * SECOND)
    assert small.world.book.closed[small.agent.connection.index] == 4002
    assert fail_codes(small.me) == ["no_instance", "instance_lost"]


def test_a_caller_that_dies_takes_its_commands_with_it(small: Small) -> None:
    for _ in range(3):
        small.me.ask(Kind.CALL, "agent.fetch")
    small.until(lambda: len(small.agent.calls) == 3)
    small.agent.reply(1)
    small.me.connection.lose()
    small.world.run(SECOND)
    assert small.agent.reasons() in (
        ['{"reason":"caller_lost"}'] * 2,
        ['{"reason":"caller_lost"}'] * 3,
    )
    assert departure.in_flight(small.world.router.board) == 0
    small.agent.reply(2)
    small.agent.reply(3)
    small.until(lambda: not small.agent.connection.session.asked)


def test_a_stalled_instance_gets_its_commands_later_in_order_and_none_that_expired(
    small: Small,
) -> None:
    small.agent.connection.stall(60 * SECOND)
    for _ in range(3):
        small.me.ask(Kind.CALL, "agent.fetch", {"pad": "x" * 400}, ttl_ms=5_000)
    small.until(lambda: small.agent.connection.is_full)
    first = len(small.agent.connection.session.asked)
    for ttl_ms in (4_000, 100, 4_000):
        small.me.ask(Kind.CALL, "agent.fetch", ttl_ms=ttl_ms)
    small.until(lambda: fail_codes(small.me) == ["deadline_exceeded"])
    small.agent.connection.go_on()
    small.until(lambda: len(small.agent.calls) == first + 2)
    assert [frame.ttl_ms < 4_000 for frame in small.agent.calls[first:]] == [True, True]
    for rid in range(1, first + 3):
        small.agent.reply(rid)
    small.until(lambda: not small.me.open)
    small.me.check()


def test_a_listener_that_stalls_hears_exactly_how_much_it_missed(small: Small) -> None:
    reader = small.join(Listener, "reader")
    reader.sub("**")
    small.until(lambda: not reader.open)
    reader.connection.stall(60 * SECOND)
    for _ in range(20):
        small.emit(10)
        small.world.run(SECOND // 10)
    assert reader.connection.session.outbox.dropped > 0
    reader.connection.go_on()
    small.until(lambda: len(reader.events) + reader.missed == 200)
    assert reader.missed > 0
    small.world.run(SECOND)
    reader.check()


def test_others_hear_everything_while_one_stalls(small: Small) -> None:
    slow, quick = small.join(Listener, "slow"), small.join(Listener, "quick")
    for reader in (slow, quick):
        reader.sub("**")
    small.until(lambda: not slow.open and not quick.open)
    slow.connection.stall(60 * SECOND)
    for _ in range(20):
        small.emit(5)
        small.world.run(SECOND // 4)
    small.until(lambda: len(quick.events) == 100)
    assert quick.missed == 0


def test_who_lets_answers_pile_up_is_closed_and_nobody_else(small: Small) -> None:
    small.me.connection.stall(60 * SECOND)
    for _ in range(60):
        small.me.ask(Kind.CALL, "$askr.ping")
        small.world.run(SECOND // 20)
    small.until(lambda: small.me.connection.index in small.world.book.closed)
    assert small.world.book.closed == {small.me.connection.index: 4001}


def test_an_identity_is_taken_over_while_the_old_connection_hangs(small: Small) -> None:
    small.me.ask(Kind.CALL, "agent.fetch", ttl_ms=60_000)
    small.until(lambda: small.agent.calls)
    small.agent.connection.cut_off()
    old = small.agent.welcome
    again = small.join(Silent, "agent", instance=old.instance, resume=old.resume)
    assert again.welcome.instance == old.instance
    small.until(lambda: fail_codes(small.me) == ["instance_lost"])
    small.me.ask(Kind.CALL, f"agent@{old.instance}.fetch")
    small.until(lambda: again.calls)
    assert small.world.book.closed == {small.agent.connection.index: 4505}


def test_a_frame_may_take_its_time_byte_by_byte(small: Small) -> None:
    data = encode(Frame(kind=Kind.CALL, id=5, name=b"agent.fetch", payload=b"x" * 50))
    small.me.open[5] = [""]
    connection: Connection = small.me.connection
    for at in range(len(data)):
        connection.send(data[at : at + 1])
        small.world.run(100_000)
    small.until(lambda: small.agent.calls)
    assert small.agent.calls[0].payload == b"x" * 50


def test_half_a_frame_dies_with_its_connection(small: Small) -> None:
    small.me.connection.send(encode(Frame(kind=Kind.CALL, id=5, name=b"agent.fetch"))[:30])
    small.world.run(SECOND)
    small.me.connection.lose()
    small.world.run(SECOND)
    assert small.agent.calls == []


def test_replies_nobody_asked_for_are_never_taken(small: Small) -> None:
    thief = small.join(Peer, "thief")
    id_ = small.me.ask(Kind.CALL, "agent.fetch", ttl_ms=60_000)
    small.until(lambda: small.agent.calls)
    for rid in range(1, 200):
        thief.say(Frame(kind=Kind.REPLY, id=rid, payload=b"0", coding=Coding.JSON))
        if rid % 5 == 0:
            small.world.run(SECOND // 4)
    small.world.run(SECOND)
    assert small.world.router.board.totals.forged_replies == 199
    assert id_ in small.me.open
    small.agent.reply(1)
    small.until(lambda: not small.me.open)
    assert small.me.heard[Kind.REPLY][0].payload == b"1"


def test_workspaces_are_worlds_of_their_own(small: Small) -> None:
    elsewhere = small.join(Silent, "agent", workspace="other")
    listener = small.join(Listener, "listener", workspace="other")
    listener.sub("**")
    listener.watch("")
    small.until(lambda: not listener.open)
    small.me.ask(Kind.CALL, "agent.fetch")
    small.me.ask(Kind.PUT, "a", {"w": "askr"})
    small.emit(3)
    small.until(lambda: small.agent.calls)
    small.world.run(SECOND)
    assert elsewhere.calls == []
    assert listener.events == []
    assert listener.view == {}


def test_a_failing_store_fails_writes_and_nothing_else() -> None:
    with small_bounds():
        small = Small(store_fails=1.0)
        small.me.ask(Kind.PUT, "a", 1)
        small.me.ask(Kind.GET, "a")
        small.me.ask(Kind.CALL, "$askr.ping")
        small.until(lambda: not small.me.open)
        assert fail_codes(small.me) == ["storage_unavailable", "not_found"]
        small.world.store_fails = 0.0
        small.me.ask(Kind.PUT, "a", 2)
        small.until(lambda: not small.me.open)
        small.until(lambda: small.auditor.view)
        assert small.auditor.view["a"] == (1, b"2")
        small.auditor.check()


def test_a_slow_watcher_ends_with_what_there_is(small: Small) -> None:
    watcher = small.join(Listener, "watcher")
    watcher.watch("a")
    small.until(lambda: not watcher.open)
    watcher.connection.stall(60 * SECOND)
    for value in range(120):
        small.me.ask(Kind.PUT, f"a/{value % 7}", value)
        small.world.run(SECOND // 20)
        watcher.say(Frame(kind=Kind.PONG))
    small.until(lambda: not small.me.open)
    watcher.connection.go_on()
    small.world.run(SECOND)
    assert len(watcher.heard[Kind.CHANGE]) < 120, "only the newest of each key"
    watcher.check()
