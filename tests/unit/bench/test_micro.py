"""What the micro-benchmarks time really happens, frame by frame."""

import pytest

from bench.micro import codec_works, time_work
from bench.router_works import BATCH, FAN_OUTS, Commands, Events, Writes


def test_every_command_of_a_batch_gets_its_reply() -> None:
    count, taken_ns = Commands()()
    assert count == BATCH
    assert taken_ns > 0


@pytest.mark.parametrize("listeners", FAN_OUTS)
def test_every_event_of_a_batch_reaches_every_listener(listeners: int) -> None:
    count, _ = Events(listeners)()
    assert count == BATCH * listeners


def test_every_write_of_a_batch_is_kept_and_answered() -> None:
    work = Writes()
    count, _ = work()
    assert count == BATCH
    assert work.writer.in_open_workspace.state.rev == BATCH


@pytest.mark.parametrize("name", ["encode", "decode", "split", "text-in", "text-out"])
def test_codec_works_do_a_whole_batch(name: str) -> None:
    works = {found: work for found, _, work in codec_works()}
    count, _ = works[name]()
    assert count == BATCH


def test_timing_is_time_per_operation() -> None:
    timing = time_work("w", "work", lambda: (4, 2_000_000), rounds=3, round_ms=1)
    assert (timing.ns, timing.low, timing.high, timing.rounds) == (500_000, 500_000, 500_000, 3)
