"""What is compared: askrd with its state in memory and on the disk, and redis that syncs every write."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.daemon import PROJECT, Daemon
from bench.peers.brokers import Broker

COMPILED = PROJECT / "build" / "compiled"
REDIS = "redis, appendfsync always"

Running = Daemon | Broker
Start = Callable[[int | None], Running]


def systems() -> dict[str, tuple[str, Start]]:
    """Returns what is compared and is here: name to protocol and start."""
    found: dict[str, tuple[str, Start]] = {
        "askrd, in memory": ("askr", partial(_daemon, keeps_state=False)),
        "askrd, durable": ("askr", partial(_daemon, keeps_state=True)),
    }
    if is_compiled():
        start = partial(_daemon, keeps_state=True, importing=COMPILED)
        found["askrd compiled, durable"] = ("askr", start)
    if has_redis():
        found[REDIS] = ("redis", partial(Broker, redis_words))
    return found


def is_compiled() -> bool:
    """Says whether there is a compiled build."""
    return (COMPILED / ".built").exists()


def has_redis() -> bool:
    """Says whether redis is installed."""
    return shutil.which("redis-server") is not None


def _daemon(core: int | None, *, keeps_state: bool, importing: Path | None = None) -> Daemon:
    return Daemon(core=core, keeps_state=keeps_state, importing=importing)


def redis_words(folder: Path, port: int) -> list[str]:
    """Returns the command line of a redis that syncs every write to a file in ``folder``."""
    words = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    return [*words, "--save", "", "--appendonly", "yes", "--appendfsync", "always"]


@contextmanager
def started(start: Start, core: int | None) -> Iterator[Running]:
    """Runs a system while the block lasts."""
    running = start(core)
    try:
        yield running
    finally:
        running.stop()
