"""Deadlines are looked at when they have passed, also those that moved meanwhile."""

import asyncio
import math
from types import SimpleNamespace
from typing import Any

from askrd.sdk.deadlines import GRACE_S, SLOT_S, Deadlines
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.frames import Frame, Kind


def watched(*deadlines: float, moved: dict[int, float] | None = None) -> list[tuple[int, float]]:
    """Returns the ids of what expired, and when, after a minute."""
    expired: list[tuple[int, float]] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        calls: dict[int, Any] = {
            id_: SimpleNamespace(frame=Frame(kind=Kind.CALL, id=id_), deadline=deadline)
            for id_, deadline in enumerate(deadlines, 1)
        }
        watching = Deadlines(loop, calls, lambda call: expired.append((call.frame.id, loop.time())))
        for call in calls.values():
            watching.watch(call)
        for id_, deadline in (moved or {}).items():
            if deadline:
                calls[id_].deadline = deadline
            else:
                watching.forget(calls.pop(id_))
        await asyncio.sleep(60)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story())
    return expired


def is_soon_after(at: float, deadline: float) -> bool:
    return deadline + GRACE_S <= at <= deadline + GRACE_S + 2 * SLOT_S


def test_each_expires_soon_after_its_deadline() -> None:
    (first, at), (second, later) = watched(5.0, 1.0)
    assert (first, second) == (2, 1)
    assert is_soon_after(at, 1.0)
    assert is_soon_after(later, 5.0)


def test_one_that_moved_is_looked_at_again() -> None:
    ((_, at),) = watched(1.0, moved={1: 9.0})
    assert is_soon_after(at, 9.0)


def test_one_without_a_deadline_never_expires() -> None:
    assert watched(math.inf, 1.0, moved={2: math.inf}) == []


def test_one_that_has_ended_is_forgotten() -> None:
    assert watched(1.0, moved={1: 0}) == []
