"""Middleware wraps in onion order, may change what passes, and may answer itself."""

import asyncio
from typing import Any

import pytest

from askrd.sdk.middleware import Passage, PassageKind, check_middleware, pass_through
from askrd.wire.errors import BadRequest


def run(*skins: Any, payload: Any = 1) -> Any:
    async def core(passage: Passage) -> Any:
        return passage.payload

    passage = Passage(kind=PassageKind.COMMAND, name="agent.fetch", payload=payload)
    return asyncio.run(pass_through(skins, passage, core))


def test_first_registered_is_outermost() -> None:
    trace: list[str] = []

    def skin(name: str) -> Any:
        async def around(passage: Passage, call_next: Any) -> Any:
            trace.append(f"{name} in")
            result = await call_next()
            trace.append(f"{name} out")
            return result

        return around

    assert run(skin("a"), skin("b")) == 1
    assert trace == ["a in", "b in", "b out", "a out"]


def test_payload_can_be_replaced_on_the_way_in() -> None:
    async def double(passage: Passage, call_next: Any) -> Any:
        passage.payload *= 2
        return await call_next()

    assert run(double, double) == 4


def test_outcome_can_be_replaced_on_the_way_out() -> None:
    async def shout(passage: Passage, call_next: Any) -> Any:
        return f"{await call_next()}!"

    assert run(shout, payload="hi") == "hi!"


def test_inner_part_is_not_reached_without_call_next() -> None:
    async def answer(passage: Passage, call_next: Any) -> Any:
        return "cached"

    async def never(passage: Passage, call_next: Any) -> Any:
        raise AssertionError("reached")

    assert run(answer, never) == "cached"


def test_error_of_the_inside_reaches_the_outside() -> None:
    async def rescue(passage: Passage, call_next: Any) -> Any:
        try:
            return await call_next()
        except LookupError:
            return "rescued"

    async def fail(passage: Passage, call_next: Any) -> Any:
        raise LookupError

    assert run(rescue, fail) == "rescued"


def plain(passage: Passage, call_next: Any) -> Any: ...


async def short(passage: Passage) -> Any: ...


@pytest.mark.parametrize(
    ("function", "why"), [(plain, "async def plain"), (short, "takes a passage and call_next")]
)
def test_what_cannot_wrap_is_refused(function, why) -> None:
    with pytest.raises(BadRequest, match=why):
        check_middleware(function)
