"""Holds that a program is fed, read and ended with everything it has started."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from askr_cli.programs.program import (
    CannotStart,
    LineTooLong,
    Program,
    signal_name,
    text_of,
    way_of_ending,
)
from askrd.wire.errors import ConnectionLost

PATIENCE_S = 10.0


async def started(*words: str) -> Program:
    return await Program.start(words, dict(os.environ), has_input=True)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test()

    asyncio.run(within())


async def pieces_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def gone(pid: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while alive(pid):
            await asyncio.sleep(0.01)


def test_what_goes_in_comes_out() -> None:
    async def test() -> None:
        async with await started("cat") as program:
            program.feed(pieces_of(b"one\n", b"two\nth", b"ree"))
            lines = [line async for line in program.lines()]
            assert lines == [b"one\n", b"two\n", b"three"]
            assert await program.ended() == 0

    run(test)


def test_much_more_than_a_pipe_holds_flows_through() -> None:
    async def test() -> None:
        async with await started("cat") as program:
            program.feed(pieces_of(*[bytes(50_000)] * 40))
            assert sum([len(piece) async for piece in program.pieces()]) == 2_000_000

    run(test)


def test_a_program_that_reads_nothing_breaks_nothing() -> None:
    async def test() -> None:
        async with await started("true") as program:
            program.feed(pieces_of(*[bytes(50_000)] * 40))
            assert [piece async for piece in program.pieces()] == []
            assert (await program.ended(), program.trouble) == (0, None)

    run(test)


def test_standard_error_is_told_by_the_line_and_its_end_is_kept() -> None:
    told: list[bytes] = []

    async def tell(line: bytes) -> None:
        told.append(line)

    async def test() -> None:
        line = "i=0; while [ $i -lt 30 ]; do echo line $i >&2; i=$((i+1)); done; exit 3"
        async with await started("sh", "-c", line) as program:
            program.watch_errors(tell)
            assert [piece async for piece in program.pieces()] == []
            assert await program.ended() == 3
            await program.errors_read()
            assert list(program.tail) == [f"line {number}" for number in range(10, 30)]

    run(test)
    assert told == [b"line %d\n" % number for number in range(30)]


def test_a_line_without_end_is_refused_or_cut() -> None:
    async def test() -> None:
        words = ("sh", "-c", "head -c 3000000 /dev/zero")
        async with await started(*words) as program:
            with pytest.raises(LineTooLong):
                [line async for line in program.lines()]
        async with await started(*words) as program:
            sizes = [len(line) async for line in program.lines(cut=True)]
            assert sum(sizes) == 3_000_000
            assert len(sizes) > 1

    run(test)


def test_leaving_ends_a_program_and_what_it_started() -> None:
    async def test() -> None:
        async with await started("sh", "-c", "sleep 100 & echo $!; exec sleep 100") as program:
            child = int(await anext(program.lines()))
            assert alive(child)
        assert program.status == -signal.SIGTERM
        await gone(child)

    run(test)


def test_what_ignores_sigterm_is_killed() -> None:
    async def test() -> None:
        words = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
        async with await started(*words) as program:
            await anext(program.lines())
        assert program.status == -signal.SIGKILL

    run(test)


def test_what_a_program_left_behind_ends_with_it() -> None:
    async def test() -> None:
        async with await started("sh", "-c", "sleep 100 & echo $!") as program:
            lines = [line async for line in program.lines()]
            assert await program.ended() == 0
        await gone(int(lines[0]))

    run(test)


def test_a_broken_upload_ends_the_program() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ConnectionLost("the caller is gone")

    async def test() -> None:
        async with await started("sh", "-c", "cat; exec sleep 100") as program:
            program.feed(broken())
            assert await program.ended() == -signal.SIGTERM
            assert str(program.trouble) == "the caller is gone"

    run(test)


def test_cancelling_kills_at_once_when_cancelled_twice() -> None:
    async def test() -> None:
        running = asyncio.Event()

        async def hold() -> None:
            words = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
            async with await started(*words) as program:
                await anext(program.lines())
                programs.append(program)
                running.set()
                await asyncio.Event().wait()

        programs: list[Program] = []
        async with asyncio.TaskGroup() as group:
            task = group.create_task(hold())
            await running.wait()
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
        assert task.cancelled()
        assert await programs[0].ended() == -signal.SIGKILL

    run(test)


def test_what_the_system_cannot_start_is_told(tmp_path: Path) -> None:
    async def test() -> None:
        with pytest.raises(CannotStart) as told:
            await started(str(tmp_path))
        assert told.value.reason == "Permission denied"

    run(test)


def test_ends_have_names() -> None:
    assert (signal_name(None), signal_name(0), signal_name(3)) == (None, None, None)
    assert (signal_name(-9), signal_name(-77)) == ("SIGKILL", "77")
    assert (way_of_ending(3), way_of_ending(-15)) == ("exit status 3", "signal SIGTERM")


def test_lines_become_text() -> None:
    assert [text_of(line) for line in (b"a\n", b"a\r\n", b"a", b"\xff\n")] == [
        "a",
        "a",
        "a",
        "\ufffd",
    ]
