"""Holds how a command gets to its instance: ids, times, order, and that both paths give the same bytes."""

from typing import Any

import pytest

from askrd.wire.codec import encode
from askrd.wire.frames import FLAG_MORE, FLAG_UP, Coding, Frame, Kind
from askrd.wire.limits import TTL_MS_MAX
from tests.unit.askrd.core.desk import MS, SECOND, Desk, Mate, json

both = pytest.mark.parametrize("is_fast", [True, False])


def test_ids_at_an_instance_count_up_over_all_callers_and_services() -> None:
    desk = Desk()
    agent = desk.serve("a", "x")
    agent.provide("b", "x")
    agent.heard()
    for number, address in enumerate(("a.x", "b.x", "a.x"), 1):
        desk.join(f"caller{number}").call(900 + number, address)
    assert [(call.id, call.name) for call in agent.calls()] == [
        (1, b"a.x"),
        (2, b"b.x"),
        (3, b"a.x"),
    ]


@both
@pytest.mark.parametrize("ttl_ms", [1, 30_000, TTL_MS_MAX])
@pytest.mark.parametrize("spec", [{}, {"concurrency": 3}])
def test_the_time_that_is_left_travels(is_fast: bool, ttl_ms: int, spec: dict[str, Any]) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.offer("agent", {"name": "fetch"} | spec), desk.join()
    me.call(1, ttl_ms=ttl_ms)
    assert [call.ttl_ms for call in agent.calls()] == [ttl_ms]


@pytest.mark.parametrize("is_waiting", [True, False])
def test_commands_of_one_peer_reach_an_instance_in_the_order_they_were_sent(
    is_waiting: bool,
) -> None:
    desk = Desk()
    specs: list[dict[str, Any]] = [{"name": "plain"}, {"name": "acked", "reply": "ack"}]
    agent, me = desk.offer("agent", *specs), desk.join()
    if is_waiting:
        agent.pause()
    for id_ in range(1, 31):
        if id_ % 3:
            me.call(id_, "agent.acked" if id_ % 2 else "agent.plain", payload=b"%d" % id_)
        else:
            me.tell(id_, "agent.plain", payload=b"%d" % id_)
    if is_waiting:
        agent.resume()
    assert [int(call.payload) for call in agent.calls()] == list(range(1, 31))


# --- both paths ----------------------------------------------------------------------------------


class Witness:
    """Plays one story on a router with and without the fast path, and keeps all that was written."""

    def __init__(self, *, is_fast: bool) -> None:
        self.desk = Desk(is_fast=is_fast)
        self.agents = [self.desk.serve(), self.desk.serve()]
        self.me = self.desk.join(streams=True)
        self.written: list[tuple[str, bytes]] = []

    def look(self) -> None:
        for mate in self.desk.peers:
            data = b"".join(bytes(piece) for piece in mate.session.outbox.take())
            self.written.append((mate.session.suffix, data))

    def play(self) -> None:
        me, (one, two) = self.me, self.agents
        me.feed(b"".join(encode(call(id_, payload=b"x" * id_)) for id_ in range(1, 9)))
        self.look()
        for rid in (1, 2):
            answers = encode(Frame(kind=Kind.REPLY, id=rid, payload=b"{}", coding=Coding.JSON))
            one.feed(answers + encode(Frame(kind=Kind.PROGRESS, id=rid + 2, payload=b"half")))
            two.feed(answers)
            self.look()
        me.feed(encode(Frame(kind=Kind.CANCEL, id=7)) + encode(call(7)))
        one.feed(
            encode(Frame(kind=Kind.ITEM, id=3, payload=b"piece", flags=FLAG_MORE))
            + encode(Frame(kind=Kind.REPLY, id=3, payload=b"rest"))
            + encode(Frame(kind=Kind.REPLY, id=3, payload=b"twice"))
        )
        self.look()
        me.feed(encode(call(20, name=b"fetch", hops=3)) + encode(call(21, name=b"nobody.fetch")))
        me.feed(encode(call(22, options=b'{"exclude":["i0"]}')) + encode(call(23, flags=FLAG_UP)))
        self.look()
        two.feed(encode(json(Kind.FAIL, {"code": "no"}, id=3)))
        two.lose()
        self.desk.after(40 * SECOND)
        self.look()


def call(id_: int, name: bytes = b"agent.fetch", **fields: Any) -> Frame:
    return Frame(kind=Kind.CALL, id=id_, name=name, **fields)


def test_both_paths_write_the_same_bytes() -> None:
    fast, slow = Witness(is_fast=True), Witness(is_fast=False)
    fast.play()
    slow.play()
    assert fast.written == slow.written
    assert sum(len(data) for _, data in fast.written) > 1_000


@both
def test_both_paths_count_the_same(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    for id_ in range(1, 6):
        me.call(id_)
        desk.after(id_ * MS)
        agent.reply(id_)
    me.call(6)
    agent.say(json(Kind.FAIL, {"code": "no"}, id=6))
    me.call(7)
    counted = me.session.in_open_workspace.destinations.statistics["agent.fetch"]
    assert (counted.calls, counted.replies, counted.errors) == (7, 5, 1)
    told = me.ask("$askr.describe", "agent.fetch")["statistics"]
    assert (told["calls"], told["errors"], told["in_flight"]) == (7, 1, 1)
    assert (told["p50_ms"], told["p95_ms"], told["p99_ms"]) == (3.0, 5.0, 5.0)
    (row,) = me.ask("$askr.stats")["commands"]
    assert (row["name"], row["p95_ms"]) == ("agent.fetch", 5.0)


def exchange(mate: Mate, agent: Mate) -> list[tuple[int, int]]:
    mate.call(1)
    agent.reply(1)
    return [(frame.kind, frame.id) for frame in mate.heard()]


@both
def test_a_member_with_rules_among_plain_ones_is_served_by_the_rules(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    plain, me = desk.serve(), desk.join()
    assert exchange(me, plain) == [(Kind.REPLY, 1)]
    limited = desk.offer("agent", {"name": "fetch", "concurrency": 1})
    for id_ in range(1, 7):
        me.call(id_)
    assert (len(limited.calls()), len(plain.calls())) == (1, 6)
    limited.lose()
    for rid in range(2, 8):
        plain.reply(rid)
    assert len(me.heard()) == 6
    desk.assert_nothing_is_left()
