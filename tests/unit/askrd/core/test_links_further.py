"""Holds the rules of further connections: they stand by, and one of them goes on."""

from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import LINKS_MAX
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, body, json
from tests.unit.askrd.core.traveller import WINDOW_US, Traveller, kinds


def stand_by(desk: Desk, me: Traveller) -> Mate:
    link = desk.connect()
    said = {"instance": me.welcome["instance"], "resume": me.welcome["resume"], "link": True}
    link.hello(**me.hello | said)
    return link


def test_a_further_connection_is_welcomed_and_takes_ping_only() -> None:
    desk = Desk()
    me = Traveller(desk)
    link = stand_by(desk, me)
    assert body(link.heard()[0])["resumed"] is True
    link.say(Frame(kind=Kind.PING, id=4))
    assert [(frame.kind, frame.id) for frame in link.heard()] == [(Kind.PONG, 4)]
    link.emit("a")
    assert link.errors() == [(0, "bad_request")]
    assert desk.closes == [(link, 4500)]


def test_a_further_connection_is_pinged_and_closed_when_it_is_silent() -> None:
    desk = Desk()
    me = Traveller(desk)
    link = stand_by(desk, me)
    link.heard()
    for _ in range(12):
        desk.after(5 * SECOND)
        me.mate.say(Frame(kind=Kind.PONG))
        me.hear()
    assert Kind.PING in link.kinds()
    assert me.session in desk.router.board.sessions
    desk.after(10 * SECOND)
    assert (link, 4002) in desk.closes


def test_while_a_further_connection_lives_nothing_fails_and_the_session_goes_on_there() -> None:
    desk = Desk()
    caller = desk.join("caller")
    me = Traveller(desk, "agent", kind="service")
    me.mate.provide("agent", "fetch")
    me.hear()
    link = stand_by(desk, me)
    link.heard()
    caller.call(1)
    (call,) = me.hear()
    caller.call(2)
    me.miss()
    me.lose()
    assert link.kinds() == [Kind.RESUME]
    caller.call(3)
    assert caller.heard() == []
    link.say(Frame(kind=Kind.RESUME, id=me.received))
    resumed, *again = me.rebound()
    assert resumed.kind == Kind.RESUMED
    assert kinds(again) == [Kind.CALL]
    me.catch_up()
    for id_ in (call.id, again[0].id, again[0].id + 1):
        me.mate.reply(id_)
    assert kinds(caller.heard()) == [Kind.REPLY] * 3


def test_when_the_last_further_connection_dies_the_peer_is_away() -> None:
    desk = Desk()
    me = Traveller(desk)
    link = stand_by(desk, me)
    me.lose()
    assert not me.session.is_away
    desk.router.lose(link.session, "lost", desk.now_us)
    assert me.session.is_away
    desk.after(WINDOW_US + SECOND)
    assert me.session not in desk.router.board.sessions


def test_further_connections_are_closed_with_their_session() -> None:
    desk = Desk()
    me = Traveller(desk)
    link = stand_by(desk, me)
    me.mate.say(Frame(kind=Kind.BYE))
    me.lose()
    assert (link, 4000) in desk.closes


def test_a_session_has_so_many_connections_and_no_more() -> None:
    desk = Desk()
    me = Traveller(desk)
    for _ in range(LINKS_MAX - 1):
        assert body(stand_by(desk, me).heard()[0])["resumed"]
    assert stand_by(desk, me).errors() == [(0, "limit_exceeded")]


def test_a_further_connection_of_nothing_is_refused() -> None:
    desk = Desk()
    me = Traveller(desk)
    me.welcome["resume"] = "wrong"
    assert stand_by(desk, me).errors() == [(0, "gone")]


def test_a_further_connection_that_cannot_go_on_says_so() -> None:
    desk = Desk()
    me = Traveller(desk)
    link = stand_by(desk, me)
    link.heard()
    me.lose()
    link.heard()
    link.say(Frame(kind=Kind.RESUME, id=10**9))
    assert link.errors() == [(0, "gone")]
    assert desk.closes == [(link, 4500)]


def test_a_hello_within_a_session_is_no_way_back() -> None:
    me = Desk().join()
    me.say(json(Kind.HELLO, {"v": 1, "link": True}))
    assert me.errors() == [(0, "unknown_kind")]
