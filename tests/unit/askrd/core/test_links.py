"""Holds the rules of coming back: what stays, what is lost, what is sent again, and for how long."""

from typing import Any

import pytest

from askrd.core.effects import Say
from askrd.wire.codec import decode, encode
from askrd.wire.frames import HEADER, Coding, Frame, Kind
from askrd.wire.limits import CONFIRM_BYTES, RESUME_BYTES_MAX, Limits
from tests.unit.askrd.core.desk import SECOND, Desk, body
from tests.unit.askrd.core.traveller import WINDOW_US, Traveller, kinds, subscribe

# --- the window ---------------------------------------------------------------------------------


def test_a_resumable_peer_is_told_its_window_and_others_have_none() -> None:
    desk = Desk()
    assert Traveller(desk).welcome["window_ms"] == 10_000
    assert Traveller(desk, kind="service").welcome["window_ms"] == 5_000
    assert desk.join("plain").welcome["window_ms"] == 0


def test_a_text_peer_has_no_window() -> None:
    desk = Desk()
    mate = desk.connect()
    mate.session.via = "ws+json"
    mate.hello(resumable=True)
    assert body(mate.heard()[0])["window_ms"] == 0


def test_who_is_away_is_listed_nowhere_and_is_announced_as_left_once() -> None:
    desk = Desk()
    watcher = desk.join("watcher")
    watcher.sub(1, "$askr.peer.*")
    me = Traveller(desk)
    watcher.heard()
    me.lose()
    assert [frame.name for frame in watcher.heard()] == [b"$askr.peer.left"]
    assert [row["name"] for row in watcher.ask("$askr.peers")] == ["watcher"]
    desk.after(WINDOW_US + SECOND)
    assert Kind.EVENT not in watcher.kinds()
    assert me.session not in desk.router.board.sessions


def test_who_is_back_is_announced_as_joined() -> None:
    desk = Desk()
    watcher = desk.join("watcher")
    me = Traveller(desk)
    me.lose()
    watcher.sub(1, "$askr.peer.*")
    watcher.heard()
    me.come_back()
    assert [frame.name for frame in watcher.heard()] == [b"$askr.peer.joined"]
    assert len(watcher.ask("$askr.peers")) == 2


def test_a_peer_that_says_bye_is_gone_at_once() -> None:
    desk = Desk()
    me = Traveller(desk)
    me.mate.say(Frame(kind=Kind.BYE))
    me.lose()
    assert me.session not in desk.router.board.sessions


def test_what_was_asked_is_cancelled_at_the_end_of_the_window_and_not_before() -> None:
    desk = Desk()
    service = desk.serve()
    me = Traveller(desk)
    me.mate.call(5, ttl_ms=60_000)
    (call,) = service.heard()
    me.lose()
    desk.after(WINDOW_US - SECOND)
    assert Kind.CANCEL not in service.kinds()
    desk.after(2 * SECOND)
    cancels = [frame for frame in service.heard() if frame.kind == Kind.CANCEL]
    assert [(frame.id, body(frame)["reason"]) for frame in cancels] == [(call.id, "caller_lost")]


def test_a_deadline_passes_while_its_caller_is_away() -> None:
    desk = Desk()
    service = desk.serve()
    me = Traveller(desk)
    me.mate.call(5, ttl_ms=1_000)
    service.heard()
    me.lose()
    desk.after(2 * SECOND)
    assert body(service.heard()[-1])["reason"] == "deadline"
    me.come_back()
    (fail,) = me.catch_up()
    assert (fail.id, body(fail)["code"]) == (5, "deadline_exceeded")


def test_a_draining_daemon_waits_for_nobody() -> None:
    desk = Desk()
    away, here = Traveller(desk), Traveller(desk)
    away.lose()
    desk.router.drain(1_000, desk.now_us)
    desk.settle()
    assert away.session not in desk.router.board.sessions
    here.lose()
    assert here.session not in desk.router.board.sessions


def test_what_piles_up_for_who_is_away_ends_its_session() -> None:
    desk = Desk(limits=Limits(outbox_bytes_max=100_000))
    service = desk.serve()
    me = Traveller(desk)
    for number in range(20):
        me.mate.call(number + 1)
    me.lose()
    for call in service.heard():
        service.reply(call.id, b"1" * 10_000)
    assert [effect.session for effect in desk.effects if hasattr(effect, "close_code")] == [
        me.session
    ]


# --- coming back --------------------------------------------------------------------------------


def test_what_got_lost_on_its_way_comes_again_and_then_what_waited() -> None:
    desk = Desk()
    teller = desk.join("teller")
    me = Traveller(desk)
    subscribe(me, "a")
    teller.emit("a", payload=b"1")
    assert [frame.payload for frame in me.hear()] == [b"1"]
    teller.emit("a", payload=b"2")
    me.miss()
    me.lose()
    teller.emit("a", payload=b"3")
    welcome, *again = me.come_back()
    assert (body(welcome)["resumed"], body(welcome)["instance"]) == (True, me.welcome["instance"])
    assert [frame.payload for frame in again] == [b"2"]
    assert [frame.payload for frame in me.catch_up()] == [b"3"]
    teller.emit("a", payload=b"4")
    assert [frame.payload for frame in me.hear()] == [b"4"]


def test_the_daemon_says_how_much_it_received_without_the_beginning_of_a_frame() -> None:
    desk = Desk()
    me = Traveller(desk)
    ping = encode(Frame(kind=Kind.PING, id=1))
    me.mate.feed(ping + ping + ping[:10])
    me.hear()
    me.lose()
    welcome, *_ = me.come_back()
    assert body(welcome)["received"] == 2 * len(ping)
    me.mate.feed(ping)
    assert me.catch_up()[-1].kind == Kind.PONG


def test_a_service_is_there_again_and_its_commands_are_not() -> None:
    desk = Desk()
    caller = desk.join("caller")
    me = Traveller(desk, "agent", kind="service")
    me.mate.provide("agent", "fetch")
    me.hear()
    caller.call(1)
    assert kinds(me.hear()) == [Kind.CALL]
    me.lose()
    assert caller.fails() == {1: "instance_lost"}
    caller.call(2)
    assert caller.fails() == {2: "no_instance"}
    me.come_back()
    me.catch_up()
    caller.call(3)
    (call,) = me.hear()
    me.mate.reply(call.id)
    assert kinds(caller.heard()) == [Kind.REPLY]


def test_a_call_that_was_on_its_way_comes_again_as_nothing() -> None:
    desk = Desk()
    caller = desk.join("caller")
    me = Traveller(desk, "agent", kind="service")
    me.mate.provide("agent", "fetch")
    me.hear()
    caller.call(1)
    me.miss()
    me.lose()
    assert caller.fails() == {1: "instance_lost"}
    _, *again = me.come_back()
    assert kinds(again) == [Kind.PONG]
    me.lose()
    _, *again = me.come_back()
    assert again == []


def test_a_call_that_nobody_wrote_yet_is_taken_back() -> None:
    desk = Desk()
    caller = desk.join("caller")
    me = Traveller(desk, "agent", kind="service")
    me.mate.provide("agent", "fetch")
    me.hear()
    caller.call(1)
    me.lose()
    (fail,) = caller.heard()
    assert body(fail)["details"]["delivered"] == "no"
    me.come_back()
    assert Kind.CALL not in kinds(me.catch_up())


def test_who_is_back_before_it_was_missed_takes_over_its_old_connection() -> None:
    desk = Desk()
    me = Traveller(desk)
    subscribe(me, "a")
    assert body(me.come_back()[0])["resumed"]
    desk.join("teller").emit("a")
    assert Kind.EVENT in kinds(me.catch_up())


@pytest.mark.parametrize(
    "hello",
    [
        {"received": -1},
        {"received": 5},
        {"received": 10**6},
        {"resume": "wrong"},
        {"resumable": False},
    ],
)
def test_a_hello_that_does_not_fit_begins_a_new_session(hello: dict[str, Any]) -> None:
    desk = Desk()
    me = Traveller(desk)
    subscribe(me, "a")
    me.lose()
    assert me.come_back(**hello) == []
    assert me.outcome["resumed"] is False


def test_a_session_that_sent_more_than_is_kept_begins_anew() -> None:
    desk = Desk()
    me = Traveller(desk)
    subscribe(me, "a")
    teller = desk.join("teller")
    for _ in range(5):
        teller.emit("a", payload=b"x" * (RESUME_BYTES_MAX // 4))
    me.miss()
    me.lose()
    assert me.come_back() == []
    outcome = me.outcome
    assert (outcome["resumed"], outcome["instance"]) == (False, me.welcome["instance"])
    assert me.session not in desk.router.board.sessions


def test_a_session_that_counts_a_frame_away_is_not_kept() -> None:
    desk = Desk()
    me = Traveller(desk)
    me.mate.feed(HEADER.pack(50_000_000, Kind.EMIT, 0, 1, 0, 0, 0) + b"a")
    me.lose()
    assert me.session not in desk.router.board.sessions


def test_after_the_window_the_id_is_free_again() -> None:
    desk = Desk()
    me = Traveller(desk)
    me.lose()
    desk.after(WINDOW_US + SECOND)
    assert me.come_back() == []
    assert me.outcome["instance"] == me.welcome["instance"]


# --- confirming ---------------------------------------------------------------------------------


def test_the_peer_is_told_what_arrived_every_64_kib_and_at_the_heartbeat() -> None:
    desk = Desk()
    me = Traveller(desk)
    emit = encode(Frame(kind=Kind.EMIT, name=b"a", payload=b"x" * 10_000, coding=Coding.BYTES))
    for _ in range(CONFIRM_BYTES // len(emit) + 2):
        me.mate.feed(emit)
    said = [decode(effect.frame) for effect in desk.effects if isinstance(effect, Say)]
    assert [frame.kind for frame in said] == [Kind.RESUMED]
    assert said[0].id % len(emit) == 0
    assert said[0].id >= CONFIRM_BYTES - len(emit)
    desk.effects.clear()
    desk.after(11 * SECOND)
    said = [decode(effect.frame) for effect in desk.effects if isinstance(effect, Say)]
    assert said[-1].id == len(emit) * (CONFIRM_BYTES // len(emit) + 2)


def test_what_the_peer_confirms_is_forgotten_and_not_counted() -> None:
    desk = Desk()
    me = Traveller(desk)
    subscribe(me, "a")
    resumption = me.session.resumption
    assert resumption is not None
    assert resumption.tail.kept_bytes >= me.received
    me.mate.say(Frame(kind=Kind.RESUME, id=me.received))
    assert resumption.tail.kept_bytes == 0
    me.lose()
    welcome, *_ = me.come_back()
    sub = encode(Frame(kind=Kind.SUB, id=1, name=b"a"))
    assert body(welcome)["received"] == len(sub)


def test_nonsense_is_not_confirmed() -> None:
    desk = Desk()
    me, plain = Traveller(desk), desk.join("plain")
    me.mate.say(Frame(kind=Kind.RESUME, id=10**9))
    assert body(me.hear()[0])["code"] == "bad_request"
    plain.say(Frame(kind=Kind.RESUME, id=1))
    assert plain.errors() == [(1, "forbidden")]
