"""Small worlds made by hand, one for each rule of commands that needs a network to be seen."""

from __future__ import annotations

from typing import Any

import pytest

from askrd.core import flow
from askrd.wire.bodies import Credit, Summary, dump, load
from askrd.wire.frames import FLAG_KEPT, FLAG_MORE, FLAG_UP, Coding, Frame, Kind
from tests.simulation.callers import credit_frame
from tests.simulation.flows import Intake, Outflow
from tests.simulation.peers import Peer, said
from tests.simulation.small import SECOND, Silent, Small, fail_codes
from tests.unit.askrd.core.desk import Desk

pytestmark = pytest.mark.simulation
ITEMS = 40


class Sender(Peer):
    """Sends numbered items, as far as they are taken, and then ends."""

    flags = 0

    def send(self, id_: int) -> None:
        """Begins to send."""
        self.out, self.id_ = Outflow(ITEMS), id_
        self.go_on()

    def go_on(self) -> None:
        while self.out.may_send:
            body = dump({"i": self.out.sent, "pad": "x" * (self.out.sent * 37 % 400)})
            item = Frame(kind=Kind.ITEM, id=self.id_, payload=body, coding=1, flags=self.flags)
            self.say(item)
            self.out.spend(len(body))
        if self.out.sent == ITEMS and not self.out.is_over:
            self.out.is_over = True
            self.say(Frame(kind=Kind.END, id=self.id_, flags=self.flags))

    def on_credit(self, frame: Frame) -> None:
        self.out.grant(load(Credit, frame.payload, "credit"))
        self.go_on()


class Taker(Peer):
    """Takes items, and says now and then that it takes more."""

    flags = 0

    def on_item(self, frame: Frame) -> None:
        self.intake = getattr(self, "intake", None) or Intake()
        self.intake.take(said(frame)["i"], len(frame.payload))
        self.world.later(30_000, lambda: self._grant(frame.id))

    def _grant(self, id_: int) -> None:
        self.say(credit_frame(id_, self.intake.grant(), flags=self.flags))

    @property
    def taken(self) -> int:
        """How many items have come."""
        return self.intake.taken if hasattr(self, "intake") else 0


class Streamer(Sender, Silent):
    """An agent that streams."""

    commands = ({"name": "tail", "reply": "stream"},)

    def on_call(self, frame: Frame) -> None:
        self.send(frame.id)


class Uploader(Sender):
    """A caller that uploads."""

    flags = FLAG_UP


class Store(Taker, Silent):
    """An agent that takes an upload."""

    flags = FLAG_UP
    commands = ({"name": "take", "upload": True},)


class Keyed(Silent):
    """An agent whose command may run again, and one that has room for one command only."""

    commands = (
        {"name": "safe", "idempotent": True},
        {"name": "one", "concurrency": 1},
    )


@pytest.fixture
def streaming(small: Small) -> Small:
    small.agent.leave()
    small.agent = small.join(Streamer, "streamer")
    small.me = small.join(Taker, "taker", streams=True)
    return small


def stream(small: Small) -> int:
    options = b'{"reply":"stream"}'
    id_: int = small.me.ask(Kind.CALL, "agent.tail", options=options, ttl_ms=60_000)
    return id_


def test_a_long_stream_comes_whole_through_a_small_window(streaming: Small) -> None:
    stream(streaming)
    streaming.until(lambda: streaming.me.taken == ITEMS)
    streaming.agent.reply(1)
    streaming.until(lambda: not streaming.me.open)
    assert streaming.me.heard[Kind.END]


def test_a_reader_that_stalls_stops_the_producer_and_not_the_daemon(streaming: Small) -> None:
    small = streaming
    stream(small)
    small.me.connection.stall(60 * SECOND)
    small.world.run(SECOND // 3)
    assert small.agent.out.sent <= flow.STREAM_ITEMS, "it was told to send no more"
    assert small.me.session.outbox.waiting[1] <= flow.STREAM_BYTES + 400
    small.me.connection.go_on()
    small.until(lambda: small.me.taken == ITEMS)


def test_a_long_upload_comes_whole_through_a_small_window(small: Small) -> None:
    small.agent.leave()
    store, me = small.join(Store, "store"), small.join(Uploader, "uploader")
    options = b'{"upload":"items"}'
    me.send(me.ask(Kind.CALL, "agent.take", options=options, ttl_ms=60_000))
    small.until(lambda: Kind.END in store.heard)
    assert store.taken == ITEMS
    store.reply(1)
    small.until(lambda: not me.open)


def test_an_upload_that_had_to_wait_comes_whole(small: Small) -> None:
    small.agent.leave()
    small.world.run(SECOND // 2)
    me = small.join(Uploader, "uploader")
    options = b'{"upload":"items","wait_ms":3000}'
    me.send(me.ask(Kind.CALL, "agent.take", options=options, ttl_ms=60_000))
    small.world.run(SECOND // 2)
    store = small.join(Store, "store")
    small.until(lambda: Kind.END in store.heard)
    assert store.taken == ITEMS


def test_a_stream_that_falls_silent_is_given_up(streaming: Small) -> None:
    stream(streaming)
    streaming.until(lambda: streaming.me.taken > 3)
    streaming.agent.connection.stall(60 * SECOND)
    streaming.until(lambda: fail_codes(streaming.me) == ["deadline_exceeded"])


def test_a_survey_ends_the_moment_its_last_member_dies(small: Small) -> None:
    others = [small.join(Silent, f"agent{number}") for number in range(2)]
    id_ = small.me.ask(Kind.CALL, "agent@*.fetch", ttl_ms=60_000)
    small.until(lambda: small.agent.calls and all(other.calls for other in others))
    small.agent.reply(1)
    others[0].connection.lose()
    small.world.run(SECOND // 10)
    assert id_ in small.me.open
    others[1].connection.lose()
    small.world.run(SECOND)
    assert not small.me.open
    summary = small.me.heard[Kind.REPLY][-1]
    assert load(Summary, summary.payload, "summary") == Summary(ok=1, failed=0, lost=2)
    assert [bool(frame.flags & FLAG_MORE) for frame in small.me.heard[Kind.FAIL]] == [True, True]


def ask_keyed(peer: Any, command: str, ttl_ms: int = 60_000) -> None:
    peer.ask(Kind.CALL, f"agent.{command}", options=b'{"idempotency_key":"k"}', ttl_ms=ttl_ms)


def test_a_run_goes_on_for_who_joined_when_its_first_caller_dies(small: Small) -> None:
    other = small.join(Peer, "other")
    ask_keyed(small.me, "fetch")
    small.until(lambda: small.agent.calls)
    ask_keyed(other, "fetch")
    small.world.run(SECOND // 5)
    small.me.connection.lose()
    small.world.run(SECOND // 5)
    assert Kind.CANCEL not in small.agent.heard
    small.agent.reply(1)
    small.until(lambda: not other.open)
    ask_keyed(other, "fetch")
    small.until(lambda: not other.open)
    assert [f.flags for f in other.heard[Kind.REPLY]] == [0, FLAG_KEPT]
    assert len(small.agent.calls) == 1


def test_a_run_that_waits_goes_over_to_who_joined(small: Small) -> None:
    small.agent.leave()
    agent, other = small.join(Keyed, "keyed"), small.join(Peer, "other")
    small.me.ask(Kind.CALL, "agent.one", ttl_ms=60_000)
    small.until(lambda: agent.calls)
    ask_keyed(small.me, "one", ttl_ms=300)
    small.world.run(SECOND // 5)
    ask_keyed(other, "one")
    small.until(lambda: fail_codes(small.me) == ["deadline_exceeded"])
    agent.reply(1)
    small.until(lambda: len(agent.calls) == 2)
    agent.reply(2)
    small.until(lambda: not other.open)
    assert fail_codes(other) == []


def test_a_command_that_may_run_again_goes_to_one_more_instance_only(small: Small) -> None:
    small.agent.leave()
    agents = [small.join(Keyed, f"keyed{number}") for number in range(3)]
    small.me.ask(Kind.CALL, "agent.safe", ttl_ms=60_000)
    for _ in range(2):
        small.until(lambda: any(a.calls and a.connection.is_open for a in agents))
        next(a for a in agents if a.calls and a.connection.is_open).connection.lose()
        small.world.run(SECOND // 5)
    assert fail_codes(small.me) == ["instance_lost"]
    assert sum(len(agent.calls) for agent in agents) == 2


def test_a_command_does_not_go_to_an_instance_that_was_not_meant(small: Small) -> None:
    small.agent.leave()
    first, second = small.join(Keyed, "keyed"), small.join(Keyed, "keyed2")
    small.me.ask(Kind.CALL, f"agent@{first.session.suffix}.safe", ttl_ms=60_000)
    small.until(lambda: first.calls)
    first.connection.lose()
    small.until(lambda: fail_codes(small.me) == ["instance_lost"])
    assert second.calls == []


def test_what_was_lost_does_not_run_when_the_instance_is_back(small: Small) -> None:
    small.agent.leave()
    agent = small.join(Silent, "agent", resumable=True, kind="service")
    agent.connection.stall(60 * SECOND)
    small.me.ask(Kind.CALL, "agent.fetch", {"pad": "x" * 600}, ttl_ms=60_000)
    small.me.ask(Kind.CALL, "agent.fetch", {"pad": "x" * 600}, ttl_ms=60_000)
    small.until(lambda: agent.connection.is_full)
    agent.connection.lose()
    agent.go_away(SECOND // 5)
    small.until(lambda: agent.returns == 1)
    small.until(lambda: set(fail_codes(small.me)) <= {"instance_lost", "no_instance"})
    small.until(lambda: not small.me.open)
    assert agent.calls == []
    small.me.ask(Kind.CALL, "agent.fetch")
    small.until(lambda: len(agent.calls) == 1)
    agent.say(Frame(kind=Kind.REPLY, id=agent.calls[0].id, payload=b"1", coding=Coding.JSON))
    small.until(lambda: not small.me.open)


def test_what_was_not_written_does_not_run_when_the_instance_is_back(small: Small) -> None:
    small.agent.leave()
    agent = small.join(Silent, "agent", resumable=True)
    agent.connection.stall(60 * SECOND)
    small.me.ask(Kind.CALL, "agent.fetch", {"pad": "x" * 900}, ttl_ms=60_000)
    small.until(lambda: agent.connection.is_full)
    small.me.ask(Kind.CALL, "agent@*.fetch", ttl_ms=60_000)
    small.until(lambda: len(agent.session.asked) == 2)
    agent.connection.lose()
    agent.go_away(SECOND // 5)
    small.until(lambda: agent.returns == 1)
    small.until(lambda: not small.me.open)
    small.world.run(SECOND)
    assert agent.calls == []


def test_a_caller_that_comes_back_gets_its_outcome_once(small: Small) -> None:
    me = small.join(Peer, "me2", resumable=True)
    me.ask(Kind.CALL, "agent.fetch", ttl_ms=60_000)
    small.until(lambda: small.agent.calls)
    me.connection.lose()
    me.go_away(SECOND // 2)
    small.agent.reply(1)
    me.ask(Kind.CALL, "agent.fetch", ttl_ms=60_000)
    small.until(lambda: len(small.agent.calls) == 2)
    small.agent.reply(2)
    small.until(lambda: not me.open)
    assert (me.returns, len(me.heard[Kind.REPLY])) == (1, 2)


def test_a_caller_that_stays_away_takes_its_commands_with_it(small: Small) -> None:
    me = small.join(Peer, "me2", resumable=True)
    me.ask(Kind.CALL, "agent.fetch", ttl_ms=60_000)
    small.until(lambda: small.agent.calls)
    me.connection.lose()
    small.world.run(SECOND)
    assert small.agent.reasons() == []
    small.world.run(SECOND)
    assert small.agent.reasons() == ['{"reason":"caller_lost"}']


def rotate(small: Small, verb: str, target: str) -> None:
    small.me.ask(Kind.CALL, f"$askr.{verb}", {"target": target})
    small.world.run(SECOND // 5)


def test_who_is_enabled_again_gets_what_waits(small: Small) -> None:
    small.agent.leave()
    first, second = small.join(Keyed, "keyed"), small.join(Keyed, "keyed2")
    rotate(small, "disable", f"agent@{second.session.suffix}")
    for _ in range(2):
        small.me.ask(Kind.CALL, "agent.one", ttl_ms=60_000)
    small.until(lambda: first.calls)
    small.world.run(SECOND // 5)
    assert second.calls == []
    rotate(small, "enable", "agent")
    small.until(lambda: second.calls)


def test_a_disabled_instance_that_comes_back_is_still_disabled(small: Small) -> None:
    agent = small.join(Silent, "other", resumable=True)
    rotate(small, "disable", f"agent@{agent.session.suffix}")
    agent.connection.lose()
    agent.go_away(SECOND // 5)
    small.until(lambda: agent.returns == 1)
    for _ in range(4):
        small.me.ask(Kind.CALL, "agent.fetch", ttl_ms=60_000)
    small.until(lambda: len(small.agent.calls) == 4)
    assert agent.calls == []


def test_a_drained_service_finishes_what_it_has_and_refuses_the_rest(small: Small) -> None:
    id_ = small.me.ask(Kind.CALL, "agent.fetch", ttl_ms=60_000)
    small.until(lambda: small.agent.calls)
    rotate(small, "drain", "agent")
    small.me.ask(Kind.CALL, "agent.fetch")
    small.until(lambda: fail_codes(small.me) == ["draining"])
    assert id_ in small.me.open
    small.agent.reply(1)
    small.until(lambda: not small.me.open)


def test_room_that_came_after_the_first_callers_time_goes_to_who_joined() -> None:
    desk = Desk()
    agent = desk.offer("agent", {"name": "one", "concurrency": 1})
    first, second = desk.join("first"), desk.join("second")
    first.call(1, "agent.one")
    first.want(2, "agent.one", idempotency_key="k", fields={"ttl_ms": 100})
    second.want(1, "agent.one", idempotency_key="k", fields={"ttl_ms": 60_000})
    (running,) = agent.calls()
    desk.now_us += 100_001
    agent.reply(running.id)
    assert agent.calls() == [], "the run's caller has no time left"
    desk.after(SECOND // 5)
    (run,) = agent.calls()
    agent.reply(run.id)
    assert first.fails() == {2: "deadline_exceeded"}
    assert [frame.id for frame in second.heard() if frame.kind == Kind.REPLY] == [1]
