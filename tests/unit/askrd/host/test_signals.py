"""The first stop signal drains, the second stops now."""

import asyncio
import os
import signal

import pytest

from askrd.host.signals import StopSignals


async def _told(*sent: signal.Signals) -> list[tuple[str, signal.Signals]]:
    told: list[tuple[str, signal.Signals]] = []
    heard = asyncio.Event()

    def hear(what: str, received: signal.Signals) -> None:
        told.append((what, received))
        heard.set()

    stop_signals = StopSignals(
        asyncio.get_running_loop(),
        drain=lambda received: hear("drain", received),
        stop_now=lambda received: hear("now", received),
    )
    with stop_signals:
        for number in sent:
            os.kill(os.getpid(), number)
            await asyncio.wait_for(heard.wait(), 5)
            heard.clear()
    return told


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_drains_and_later_ones_stop_now(
    first: signal.Signals, second: signal.Signals
) -> None:
    told = asyncio.run(_told(first, second, second))
    assert told == [("drain", first), ("now", second), ("now", second)]


def test_signals_are_given_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    asyncio.run(_told(signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) is before
