"""Holds what goes on beside question and answer: where it begins, and that it ends with the command."""

from typing import Any

from askrd.core.course import MODES, NO_OPTIONS, Course
from askrd.core.letters import course_for
from askrd.wire.bodies import CallOptions
from askrd.wire.frames import FLAG_MORE, FLAG_SILENT, Frame, Kind
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, json


def test_a_course_begins_with_nothing() -> None:
    course = Course("value")
    assert course.options is NO_OPTIONS
    assert (course.due_us, course.held, course.tried, course.up, course.down) == (
        0,
        [],
        (),
        None,
        None,
    )
    assert not (course.is_counted)
    assert not (course.is_accepted)
    assert not (course.has_spoken)


def test_streams_have_flows_where_they_flow() -> None:
    for mode in MODES:
        course = course_for(mode, CallOptions())
        assert (course.down is not None, course.up is not None) == (mode == "stream", False)
    for upload in ("items", "payload"):
        assert course_for("value", CallOptions(upload=upload)).up is not None


def test_a_plain_command_has_none_until_its_instance_speaks() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(1)
    assert me.session.asking[1][7] is None
    agent.say(Frame(kind=Kind.PROGRESS, id=1))
    entry = me.session.asking[1]
    course = entry[7]
    assert course is not None
    assert course.has_spoken
    assert agent.session.asked[1] is me.session.asking[1]


def test_what_is_remembered_of_a_command_holds_no_payload() -> None:
    desk = Desk()
    agent = desk.offer("agent", {"name": "fetch", "idempotent": True})
    me = desk.join()
    me.want(1, idempotency_key="k", fields={"payload": b"x" * 1_000})
    course = me.session.asking[1][7]
    assert course is not None
    assert course.again is not None
    agent.reply(1)
    assert (course.again, course.kept, course.tried, course.held) == (None, None, (), [])


# --- everything at once --------------------------------------------------------------------------


class Storm:
    """Many commands of every sort at three instances, and every way to end them."""

    def __init__(self, *, is_fast: bool) -> None:
        self.desk = Desk(is_fast=is_fast)
        specs: list[dict[str, Any]] = [
            {"name": "plain"},
            {"name": "acked", "reply": "ack"},
            {"name": "flows", "reply": "stream", "upload": True},
            {"name": "few", "concurrency": 1, "waiting_max": 5, "idempotent": True},
            {"name": "all", "mode": "broadcast"},
        ]
        self.agents = [self.desk.offer("agent", *specs) for _ in range(3)]
        self.callers = [self.desk.join(f"caller{number}", streams=True) for number in range(4)]

    def ask(self, mate: Mate, base: int) -> None:
        mate.call(base + 1, "agent.plain")
        mate.call(base + 2, "agent.acked", ttl_ms=900)
        mate.want(base + 3, "agent.flows", reply="stream", upload="items")
        mate.item(base + 3, b"up", 4)
        for step in range(4, 9):
            mate.call(base + step, "agent.few")
        mate.want(base + 9, "agent.all", quorum=2)
        mate.want(base + 10, "agent.plain", idempotency_key="k")
        mate.want(base + 11, "agent.plain", all=True, fields={"ttl_ms": 800})
        mate.want(base + 12, "later.x", wait_ms=700)
        mate.tell(base + 13, "agent.plain")
        mate.cancel(base + 1 + base % 12)

    def answer(self, agent: Mate, way: int) -> None:
        for call in agent.calls():
            if call.flags & FLAG_SILENT or (call.id + way) % 7 == 0:
                continue  # a tell, or one that is forgotten
            if call.name.endswith(b"acked"):
                agent.accept(call.id)
            if call.name.endswith(b"flows"):
                agent.item(call.id, b"down")
            elif (call.id + way) % 5 == 0:
                agent.item(call.id, b"piece", FLAG_MORE)
            if (call.id + way) % 3:
                agent.reply(call.id)
            else:
                agent.fail(call.id, "handler_error")

    def change(self, turn: int) -> None:
        """Has something happen to who is there."""
        match turn:
            case 3:
                self.agents[0].pause()
            case 4:
                self.agents[0].resume()
                self.agents[1].say(json(Kind.WITHDRAW, {"service": "agent"}, id=901))
            case 5:
                self.callers[3].ask("$askr.drain", {"target": "agent@i2"})
            case 6:
                self.callers[3].ask("$askr.enable", {"target": "agent"})
                self.callers.pop(0).lose()
            case 7:
                self.agents.pop(0).lose()
            case _:
                pass

    def end(self) -> None:
        """Has every instance leave, and whatever still waits come to its end."""
        for agent in self.agents:
            agent.lose()
        self.desk.after(10 * SECOND)
        self.desk.assert_nothing_is_left()


def outcomes(mate: Mate) -> list[tuple[int, int]]:
    return [
        (frame.id, frame.kind)
        for frame in mate.heard()
        if frame.kind in {Kind.REPLY, Kind.FAIL} and not frame.flags & FLAG_MORE
    ]


def run(*, is_fast: bool) -> dict[str, list[tuple[int, int]]]:
    """Returns the outcomes that each caller got, in order."""
    storm = Storm(is_fast=is_fast)
    heard: dict[str, list[tuple[int, int]]] = {mate.session.suffix: [] for mate in storm.callers}
    for turn in range(1, 9):
        for number, mate in enumerate(storm.callers):
            storm.ask(mate, 100 * turn + number)
        storm.change(turn)
        for way, agent in enumerate(storm.agents):
            storm.answer(agent, way + turn)
        storm.desk.after(SECOND)
        for mate in (*storm.agents, *storm.callers):
            mate.say(Frame(kind=Kind.PONG))
        for mate in storm.callers:
            heard[mate.session.suffix] += outcomes(mate)
    storm.end()
    return heard


def test_after_a_storm_nothing_is_left_and_nobody_had_two_outcomes() -> None:
    fast = run(is_fast=True)
    for heard in fast.values():
        ids = [id_ for id_, _ in heard if id_ != 999_999]
        assert len(ids) == len(set(ids))
    assert sum(map(len, fast.values())) > 200
    assert run(is_fast=False) == fast, "both paths tell everyone the same"
