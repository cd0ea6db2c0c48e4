"""Commands share a task only as long as nobody can tell."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from askrd.sdk.calls import Call, Route
from askrd.sdk.context import CURRENT
from askrd.sdk.service import Service
from askrd.sdk.turns import Isolated, Turns
from askrd.sdk.work import Work
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.frames import Frame, Kind

VARIABLE: ContextVar[str] = ContextVar("variable", default="nothing")
SERVICE = Service("agent")
Handler = Callable[[], Awaitable[Any]]


@SERVICE.command
async def quick() -> None:
    """What it does is up to each test."""


@SERVICE.command
async def other() -> None:
    """The same, as another command."""


class Desk:
    """Carries out the commands it is given, and remembers what became of them."""

    def __init__(self) -> None:
        self.work = Work("desk", asyncio.get_running_loop())
        self.told: list[Any] = []
        self.waiting: list[int] = []
        self.tasks: dict[int, asyncio.Task[Any] | None] = {}
        self.clock = asyncio.get_running_loop().time
        self._handlers: dict[int, Handler] = {}
        self._routes = {
            name: Route(f"agent.{name}", "agent", command, False)
            for name, command in SERVICE.commands.items()
        }
        self.turns = Turns(
            self.work,
            begin=self._begin,
            suspend=lambda call: self.waiting.append(call.frame.id),
            end=lambda call, result: self.told.append((call.frame.id, result)),
            stop=self._stop,
        )

    def progress(self, frame: Frame, payload: Any) -> None:
        self.told.append((frame.id, payload))

    def add(self, id_: int, handler: Handler, command: str = "quick") -> Call:
        self._handlers[id_] = handler
        frame = Frame(kind=Kind.CALL, id=id_, name=b"agent.quick", stamp=b"me@k3Tz9a")
        call = Call(frame, self._routes[command], self, (self.clock(), 0.0))
        self.turns.add(call)
        return call

    def _begin(self, call: Call) -> Any:
        self.tasks[call.frame.id] = asyncio.current_task()
        return self._handlers[call.frame.id]()

    def _stop(self, call: Call, task: asyncio.Task[None] | None) -> None:
        if task is None or task.cancelled():
            self.told.append((call.frame.id, "cancelled"))
        else:
            self.told.append((call.frame.id, type(task.exception())))


def live(story: Callable[[Desk], Awaitable[Any]]) -> Desk:
    """Runs a story in virtual time, waits for all it started, and returns its desk."""

    async def whole() -> Desk:
        desk = Desk()
        await story(desk)
        await desk.work.finish(1000)
        assert len(desk.work) == 0
        desk.work.close()
        return desk

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(whole())


async def done() -> str:
    return "done"


async def fail() -> None:
    raise LookupError("no such thing")


async def nap() -> str:
    await asyncio.sleep(10)
    return "rested"


def test_commands_that_do_not_wait_share_a_task() -> None:
    async def story(desk: Desk) -> None:
        for id_ in (1, 2, 3):
            desk.add(id_, done)

    desk = live(story)
    assert desk.told == [(1, "done"), (2, "done"), (3, "done")]
    assert desk.tasks[1] is desk.tasks[3]
    assert desk.waiting == []


def test_one_that_waits_keeps_the_task_and_holds_up_nobody() -> None:
    async def story(desk: Desk) -> None:
        desk.add(1, done)
        desk.add(2, nap)
        desk.add(3, done)

    desk = live(story)
    assert desk.told == [(1, "done"), (3, "done"), (2, "rested")]
    assert desk.tasks[1] is desk.tasks[2]
    assert desk.tasks[3] is not desk.tasks[2]
    assert desk.waiting == [2]


def test_a_command_that_has_waited_gets_a_task_of_its_own_from_then_on() -> None:
    async def story(desk: Desk) -> None:
        desk.add(1, nap)
        await asyncio.sleep(20)
        for id_, command in ((2, "other"), (3, "quick"), (4, "other"), (5, "quick")):
            desk.add(id_, done, command)

    desk = live(story)
    assert [id_ for id_, _ in desk.told] == [1, 2, 3, 4, 5]
    assert len({desk.tasks[id_] for id_ in (2, 3, 4, 5)}) == 4


def test_a_command_that_fails_harms_no_other() -> None:
    async def story(desk: Desk) -> None:
        desk.add(1, done)
        desk.add(2, fail)
        desk.add(3, done)

    assert live(story).told == [(1, "done"), (2, LookupError), (3, "done")]


def test_context_variables_are_those_of_one_command() -> None:
    async def story(desk: Desk) -> None:
        async def set_it() -> str:
            before = VARIABLE.get()
            VARIABLE.set("set")
            return before

        async def look_later() -> tuple[str, bool]:
            VARIABLE.set("mine")
            current = CURRENT.get()
            await asyncio.sleep(1)
            return VARIABLE.get(), CURRENT.get() is current

        desk.add(1, set_it)
        desk.add(2, look_later)
        desk.add(3, set_it)

    assert live(story).told == [(1, "nothing"), (3, "nothing"), (2, ("mine", True))]


def test_a_timeout_inside_a_handler_ends_its_own_wait_only() -> None:
    async def story(desk: Desk) -> None:
        async def patient() -> str:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await asyncio.sleep(60)
            await asyncio.sleep(1)
            return f"after {desk.clock():g} s"

        desk.add(1, patient)
        desk.add(2, done)

    assert live(story).told == [(2, "done"), (1, "after 2 s")]


def test_a_task_group_inside_a_handler_works() -> None:
    async def story(desk: Desk) -> None:
        async def both() -> list[str]:
            async with asyncio.TaskGroup() as group:
                naps = [group.create_task(nap()) for _ in range(2)]
            return [one.result() for one in naps]

        desk.add(1, both)

    assert live(story).told == [(1, ["rested", "rested"])]


def test_one_that_is_cancelled_before_its_turn_is_not_begun() -> None:
    async def story(desk: Desk) -> None:
        desk.add(1, done)
        desk.add(2, done).stopped_because = "caller"
        desk.add(3, done)

    desk = live(story)
    assert desk.told == [(1, "done"), (2, "cancelled"), (3, "done")]
    assert 2 not in desk.tasks


def test_cancelling_one_that_waits_reaches_it() -> None:
    async def story(desk: Desk) -> None:
        async def tidy() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                desk.told.append("tidied")

        call = desk.add(1, tidy)
        desk.add(2, done)
        await asyncio.sleep(1)
        assert call.task is not None
        call.task.cancel()

    assert live(story).told == [(2, "done"), "tidied", (1, "cancelled")]


def test_a_bare_yield_is_a_wait_like_any_other() -> None:
    async def story(desk: Desk) -> None:
        async def give_way() -> str:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return "back"

        desk.add(1, give_way)
        desk.add(2, done)

    assert live(story).told == [(2, "done"), (1, "back")]


def test_what_waits_is_closed_with_its_loop() -> None:
    async def main() -> list[str]:
        closed: list[str] = []

        async def endless() -> None:
            VARIABLE.set("mine")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                closed.append(VARIABLE.get())

        waiting = Isolated(endless())
        assert isinstance(next(waiting), asyncio.Future)
        waiting.close()
        return closed

    assert asyncio.run(main()) == ["mine"]


def test_one_that_cancels_its_own_task_takes_no_other_along() -> None:
    async def story(desk: Desk) -> None:
        async def give_up() -> str:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return "too late"

        desk.add(1, give_up)
        desk.add(2, nap)

    assert live(story).told == [(1, "cancelled"), (2, "rested")]


def test_what_is_awaited_need_not_be_a_coroutine() -> None:
    async def story(desk: Desk) -> None:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        desk.add(1, lambda: answer)
        await asyncio.sleep(1)
        answer.set_result("came")

    assert live(story).told == [(1, "came")]


def test_a_turn_whose_task_never_began_is_answered_all_the_same() -> None:
    async def story(desk: Desk) -> None:
        desk.add(1, done)
        desk.add(2, done)
        await desk.work.finish(0)

    told = live(story).told
    assert [id_ for id_, _ in told] == [1, 2]
    assert told[0] == (1, "cancelled")


def test_a_context_tells_what_it_knows_when_it_is_asked() -> None:
    async def story(desk: Desk) -> None:
        call = desk.add(7, done)
        call.progress("half")
        desk.told.append((str(call.caller), call.service, call.command, call.id, call.hops))
        assert not hasattr(call, "nonsense")

    desk = live(story)
    assert desk.told == [(7, "half"), ("me@k3Tz9a", "agent", "quick", 7, 0), (7, "done")]
