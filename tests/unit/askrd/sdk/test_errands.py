"""What a plain function asks for and drops is an error of that function, and of no other."""

import asyncio
from typing import Any

import pytest

from askrd.sdk.errands import DROPPED, Errand, errand, refuse_dropped


async def answer(value: Any) -> Any:
    await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


def test_outside_of_threads_it_is_the_coroutine_itself() -> None:
    made = answer(1)
    assert errand("emit", "X", made) is made
    made.close()


def test_dropped_errand_is_noted_by_name() -> None:
    dropped: list[str] = []
    token = DROPPED.set(dropped)
    try:
        errand("emit", "X", answer(1))
    finally:
        DROPPED.reset(token)
    assert dropped == ["emit('X')"]
    with pytest.raises(RuntimeError, match=r"tick called \.emit\('X'\) without `await`"):
        refuse_dropped("tick", dropped)


def test_errand_that_is_awaited_run_or_closed_is_not_dropped() -> None:
    dropped: list[str] = []

    async def story() -> list[Any]:
        first = await Errand("a", answer(1), dropped)
        second = await asyncio.gather(Errand("b", answer(2), dropped))
        with pytest.raises(LookupError):
            await Errand("c", answer(LookupError()), dropped)
        Errand("d", answer(3), dropped).close()
        return [first, *second]

    assert asyncio.run(story()) == [1, 2]
    assert dropped == []
    refuse_dropped("tick", dropped)


def test_error_thrown_into_an_errand_reaches_the_coroutine() -> None:
    async def story() -> str:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(Errand("a", asyncio.sleep(3600), []))
            await asyncio.sleep(0)
            task.cancel()
        return str(task.cancelled())

    assert asyncio.run(story()) == "True"
