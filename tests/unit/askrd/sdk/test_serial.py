"""Commands of one row go one after another, and a row without commands is forgotten."""

import asyncio

import pytest

from askrd.sdk.serial import Lanes, lane_of
from askrd.sdk.service import Service
from askrd.wire.frames import Coding

SERVICE = Service("agent")
LANE = ("agent.x", b"")


@SERVICE.command
async def free() -> None: ...


@SERVICE.command(serial=True)
async def whole(number: int) -> None: ...


@SERVICE.command(serial="key")
async def by_key(key: str = "a", other: int = 0) -> None: ...


@SERVICE.command(serial="key")
async def by_any(**members: int) -> None: ...


def lane(name: str, payload: bytes) -> object:
    coding = Coding.JSON if payload else Coding.NONE
    return lane_of(f"agent.{name}", SERVICE.commands[name], payload, coding)


def test_commands_that_are_not_serial_have_no_row() -> None:
    assert lane("free", b"") is None


def test_whole_command_has_one_row_whatever_it_is_given() -> None:
    assert lane("whole", b"1") == lane("whole", b'"x"') == ("agent.whole", b"")


def test_row_is_found_by_the_value_of_the_argument() -> None:
    assert lane("by_key", b'{"other":1,"key":"a"}') == lane("by_key", b"") == (
        "agent.by_key", b'"a"',
    )  # fmt: skip
    assert lane("by_key", b'{"key":"b"}') == ("agent.by_key", b'"b"')
    assert lane("by_any", b'{"key":7}') == ("agent.by_any", b"7")
    assert lane("by_any", b"{}") == ("agent.by_any", b"")


def test_payload_that_does_not_fit_stands_in_no_row() -> None:
    assert lane("by_key", b'{"key":1}') is None


def test_turns_are_taken_in_order_and_an_empty_row_is_forgotten() -> None:
    lanes, told = Lanes(), []

    async def one(number: int) -> None:
        await lanes.enter(LANE)
        told.append(number)
        await asyncio.sleep(0)
        told.append(number)
        lanes.leave(LANE)

    async def story() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(one(number))

    asyncio.run(story())
    assert told == [0, 0, 1, 1, 2, 2]
    assert len(lanes) == 0


def test_who_is_cancelled_while_it_waits_leaves_the_row() -> None:
    lanes = Lanes()

    async def story() -> None:
        await lanes.enter(LANE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await lanes.enter(LANE)
        assert len(lanes) == 1
        lanes.leave(LANE)

    asyncio.run(story())
    assert len(lanes) == 0
