"""Holds idempotency keys when runs are lost, outcomes large, and memory short."""

import pytest

from askrd.core import shelf
from askrd.wire.frames import FLAG_KEPT, FLAG_MORE, Frame, Kind
from askrd.wire.limits import KEPT_MS
from tests.unit.askrd.core.desk import MS, SECOND, Desk, body
from tests.unit.askrd.core.test_kept import outcome, room, want

# --- loss ----------------------------------------------------------------------------------------


def test_what_the_daemon_made_fail_is_forgotten() -> None:
    desk, agent, (one, two, three) = room()
    want(one, 5)
    want(two, 6)
    agent.heard()
    agent.lose()
    assert (one.fails(), two.fails()) == ({5: "instance_lost"}, {6: "instance_lost"})
    other = desk.serve()
    want(three, 7)
    assert len(other.calls()) == 1
    other.reply(1)
    assert three.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


def test_a_run_that_moves_to_another_instance_keeps_everyone() -> None:
    desk, agent, (one, two, three) = room(2, idempotent=True)
    other = desk.peers[1]
    want(one, 5)
    want(two, 6)
    agent.heard()
    agent.lose()
    want(three, 7)
    assert len(other.calls()) == 1
    other.reply(1, b'"there"')
    for mate in (one, two, three):
        assert [f.payload for f in mate.heard()] == [b'"there"']
    desk.assert_nothing_is_left()


def test_a_run_whose_service_leaves_while_it_waits_fails_for_everyone() -> None:
    desk, agent, (one, two, _) = room()
    agent.pause()
    want(one, 5)
    want(two, 6)
    agent.lose()
    assert (one.fails(), two.fails()) == ({5: "no_instance"}, {6: "no_instance"})
    desk.assert_nothing_is_left()


# --- large outcomes ------------------------------------------------------------------------------


def test_an_outcome_in_pieces_is_for_its_first_caller_only() -> None:
    desk, agent, (one, two, three) = room()
    want(one, 5)
    want(two, 6)
    agent.item(1, b"first", FLAG_MORE)
    agent.reply(1, b"last")
    assert one.kinds() == [Kind.ITEM, Kind.REPLY]
    want(three, 7)
    for mate in (two, three):
        (fail,) = mate.heard()
        assert (body(fail)["code"], body(fail)["at"]) == ("payload_too_large", "response")
    assert len(agent.calls()) == 1, "it took effect once"
    desk.assert_nothing_is_left()


def test_a_run_in_the_middle_of_its_answer_ends_with_its_caller() -> None:
    desk, agent, (one, two, _) = room()
    want(one, 5)
    want(two, 6)
    agent.item(1, b"first", FLAG_MORE)
    one.lose()
    assert agent.kinds() == [Kind.CALL, Kind.CANCEL]
    agent.item(1, b"second", FLAG_MORE)
    agent.reply(1, b"last")
    assert list(two.fails()) == [6]
    desk.assert_nothing_is_left()


def test_an_answer_in_pieces_for_a_caller_without_streams_fails_for_everyone() -> None:
    desk, agent, (_, two, _) = room()
    plain = desk.join("plain")
    want(plain, 5)
    want(two, 6)
    agent.item(1, b"first", FLAG_MORE)
    agent.item(1, b"second", FLAG_MORE)
    agent.reply(1, b"last")
    assert (plain.fails(), two.fails()) == ({5: "payload_too_large"}, {6: "payload_too_large"})
    desk.assert_nothing_is_left()


# --- waiting for somebody ------------------------------------------------------------------------


def test_a_key_may_wait_for_somebody_to_come() -> None:
    desk = Desk()
    one, two = desk.join("one"), desk.join("two")
    want(one, 5, wait_ms=5_000)
    want(two, 6, wait_ms=5_000)
    agent = desk.serve()
    assert len(desk.router.board.workspaces["askr"].kept) == 1
    agent.reply(1)
    assert one.heard()[0].flags & FLAG_KEPT == 0
    assert two.heard()[0].flags & FLAG_KEPT
    desk.assert_nothing_is_left()


# --- bounds --------------------------------------------------------------------------------------


def test_an_outcome_is_remembered_for_a_while() -> None:
    desk, agent, (one, two, _) = room()
    want(one, 5)
    agent.reply(1)
    desk.now_us += (KEPT_MS - 1) * MS
    want(two, 6)
    assert outcome(two)[3] is True
    desk.now_us += 2 * MS
    want(two, 7)
    assert [call.id for call in agent.calls()] == [1, 2]
    agent.reply(2)
    desk.assert_nothing_is_left()


def test_outcomes_whose_time_is_over_leave_by_themselves() -> None:
    desk, agent, (one, *others) = room()
    want(one, 5)
    agent.reply(1)
    kept = desk.router.board.workspaces["askr"].kept
    assert (len(kept), kept.bytes) == (1, 1)
    for mate in (agent, one, *others):
        mate.lose()
    desk.router.tick(desk.now_us + 3_600 * SECOND)
    assert (len(kept), kept.bytes) == (0, 0)
    desk.router.tick(desk.now_us + 7_200 * SECOND)
    assert desk.router.board.workspaces == {}


def test_the_oldest_outcomes_give_way_beyond_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "KEPT_OUTCOMES_MAX", 3)
    monkeypatch.setattr(shelf, "KEPT_BYTES_MAX", 1_000)
    desk, agent, (one, *_) = room()
    kept = desk.router.board.workspaces["askr"].kept
    for number in range(1, 6):
        want(one, number, f"k{number}")
        agent.reply(number, b"xx")
    assert [key for _, key in kept.items] == ["k3", "k4", "k5"]
    assert kept.bytes == 6
    want(one, 6, "large")
    agent.reply(6, b"x" * 999)
    assert [key for _, key in kept.items] == ["large"]
    assert kept.bytes == 999


def test_runs_are_not_forgotten_however_many_outcomes_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shelf, "KEPT_OUTCOMES_MAX", 1)
    desk, agent, (one, two, _) = room()
    want(one, 1, "running")
    for number in range(2, 5):
        want(one, number, f"k{number}")
        agent.reply(number)
    want(two, 1, "running")
    agent.reply(1, b'"late"')
    assert outcome(two) == (Kind.REPLY, 1, b'"late"', True)
    desk.assert_nothing_is_left()


def test_progress_reaches_the_caller_that_the_run_is_for() -> None:
    _desk, agent, (one, two, _) = room()
    want(one, 5)
    want(two, 6)
    agent.say(Frame(kind=Kind.PROGRESS, id=1, payload=b"half"))
    assert (one.kinds(), two.heard()) == ([Kind.PROGRESS], [])
