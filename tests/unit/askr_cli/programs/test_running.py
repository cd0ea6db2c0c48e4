"""Holds that no program outlives the run of askr that started it."""

import asyncio
import os
import signal

import pytest

from askr_cli.exits import Terminated
from askr_cli.programs.program import CannotStart
from askr_cli.programs.running import Running, on_signals, run_until_stopped

SLEEP = ["sleep", "100"]


def test_programs_know_what_they_were_told() -> None:
    async def within() -> bytes:
        running = Running()
        running.know("unix:there", "lab")
        words = ["sh", "-c", 'echo "$ASKR_URL $ASKR_WORKSPACE $ASKR_EVENT"']
        async with running.program(words, {"ASKR_EVENT": "X"}, has_input=False) as program:
            assert len(running) == 1
            line = await anext(program.lines())
        assert len(running) == 0
        return line

    assert asyncio.run(within()) == b"unix:there lab X\n"


def test_all_end_together_and_no_more_are_started() -> None:
    async def within() -> None:
        running = Running()
        async with (
            asyncio.timeout(10),
            running.program(SLEEP, {}) as one,
            running.program(SLEEP, {}) as other,
        ):
            running.end_all()
            assert await one.ended() == -signal.SIGTERM
            assert await other.ended() == -signal.SIGTERM
            with pytest.raises(CannotStart):
                async with running.program(SLEEP, {}):
                    pass

    asyncio.run(within())


@pytest.mark.parametrize(
    ("sign", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_a_signal_ends_the_run_and_says_which_it_was(
    sign: signal.Signals, error: type[BaseException]
) -> None:
    statuses: list[int] = []

    async def main(came: list[signal.Signals]) -> int:
        running = Running()
        with on_signals(came, running, lambda _: running.end_all()):
            async with asyncio.timeout(10), running.program(SLEEP, {}) as program:
                os.kill(os.getpid(), sign)
                statuses.append(await program.ended())
        return 0

    with pytest.raises(error):
        run_until_stopped(main)
    assert statuses == [-signal.SIGTERM]


def test_a_second_signal_kills() -> None:
    statuses: list[int] = []

    async def main(came: list[signal.Signals]) -> int:
        running = Running()
        with on_signals(came, running, lambda _: os.kill(os.getpid(), signal.SIGINT)):
            async with asyncio.timeout(10), running.program(SLEEP, {}) as program:
                os.kill(os.getpid(), signal.SIGINT)
                statuses.append(await program.ended())
        return 0

    with pytest.raises(KeyboardInterrupt):
        run_until_stopped(main)
    assert statuses == [-signal.SIGKILL]


def test_without_a_signal_the_run_says_its_own_code() -> None:
    async def main(_: list[signal.Signals]) -> int:
        return 7

    assert run_until_stopped(main) == 7
