"""Waiting for jobs whose outcome is told once and kept nowhere, in virtual time."""

import asyncio

import pytest

from askrd.sdk.askr import Askr
from askrd.testing import TestAskr, run
from askrd.wire.errors import CommandCancelled, DeadlineExceeded


def press() -> Askr:
    agent = Askr("press")

    @agent.command(queue=True, keep=0)
    async def print_page(number: int) -> int:
        await asyncio.sleep(10)
        return number * 2

    return agent


def test_of_a_job_that_is_not_kept_the_outcome_is_what_was_told() -> None:
    async def story() -> None:
        async with TestAskr(press()) as askr:
            sent = await askr.send("press.print_page", 4)
            done = await askr.jobs.wait("000" + sent["job"], timeout=60)
            assert (done.id, done.state, done.result()) == (sent["job"], "done", 8)

    run(story())


def test_who_waits_for_a_job_that_is_purged_hears_so() -> None:
    async def story() -> None:
        async with TestAskr(press()) as askr:
            await askr.send("press.print_page", 4)
            sent = await askr.send("press.print_page", 5)
            async with asyncio.TaskGroup() as tasks:
                waits = tasks.create_task(askr.jobs.wait(sent, timeout=60))
                await asyncio.sleep(1)
                assert await askr.jobs.purge(state="queued") == 1
            with pytest.raises(CommandCancelled, match="purged"):
                waits.result().result()

    run(story())


def test_who_has_waited_long_enough_is_told_how_it_stands() -> None:
    async def story() -> None:
        async with TestAskr(press()) as askr:
            sent = await askr.send("press.print_page", 4)
            with pytest.raises(DeadlineExceeded, match="still running after 5 s"):
                await askr.jobs.wait(sent, timeout=5)

    run(story())
