"""Options of the whole suite: how many simulated worlds to play, or which one."""

import signal

import pytest


def pytest_configure() -> None:
    """Gives Ctrl-C its meaning back: a shell starts background jobs with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--worlds", type=int, default=150, help="play this many simulated worlds")
    parser.addoption("--world", type=int, default=None, help="play the world of this seed only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames and "simulation" in metafunc.definition.path.parts:
        only = metafunc.config.getoption("world")
        count = metafunc.config.getoption("worlds")
        share = getattr(metafunc.function, "share_of_worlds", 1)
        seeds = range(0, count, share) if only is None else [only]
        metafunc.parametrize("seed", seeds)
