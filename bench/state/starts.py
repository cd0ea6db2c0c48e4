"""Start-up with a million keys: a file is filled, and a start over it is timed until it answers.

A workspace of askrd has at most 100 000 entries, so there are ten of them. Redis has all of them in
its append-only file, which it writes as one base first, as it does by itself when the file has grown.
"""

import random
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from askrd.core.effects import Persist
from askrd.core.state import Entry
from askrd.store.data_directory import DataDirectory
from askrd.store.database import Database
from askrd.wire.limits import STATE_ENTRIES_MAX
from bench.daemon import Daemon
from bench.peers.brokers import Broker
from bench.state.systems import COMPILED, REDIS, has_redis, is_compiled, redis_words

KEYS, KEYS_QUICK = 1_000_000, 100_000
VALUE_BYTES = 128
BATCH = 10_000
ANSWER_SECONDS = 120.0
PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class StartUp:
    """One start over a full file.

    Attributes:
        name: of the system. keys: how many there were.
        ready_ms: until it was ready. memory_mb: what it then had in memory, in megabytes.
        file_mb: how large what it read is.
    """

    name: str
    keys: int
    ready_ms: float
    memory_mb: float
    file_mb: float

    def row(self) -> tuple[str, ...]:
        """Returns it as cells of a table."""
        sizes = f"{self.memory_mb:,.0f}", f"{self.file_mb:,.0f}"
        return (self.name, f"{self.keys:,}", f"{self.ready_ms:,.0f}", *sizes)

    def facts(self) -> dict[str, object]:
        """The same for programs."""
        return asdict(self)


HEADINGS = ("start-up", "keys", "ready ms", "memory MB", "file MB")


def measure(core: int | None, *, keys: int) -> list[StartUp]:
    """Returns one start of each system that is here."""
    found = []
    with tempfile.TemporaryDirectory(prefix="askr-bench-") as folder:
        data = Path(folder) / "data"
        fill(data, keys)
        found.append(_of_daemon("askrd", core, data, keys))
        if is_compiled():
            found.append(_of_daemon("askrd compiled", core, data, keys, COMPILED))
    if has_redis():
        found.append(_of_redis(core, keys))
    return found


def fill(data: Path, keys: int) -> None:
    """Writes so many entries into a data directory, at most `STATE_ENTRIES_MAX` per workspace."""
    with DataDirectory(data) as directory:
        database, chance = Database(directory), random.Random(keys)
        for first in range(0, keys, BATCH):
            numbers = range(first, min(first + BATCH, keys))
            database.write([_entry(number, chance) for number in numbers])
        database.close()


def _value(chance: random.Random) -> bytes:
    """Returns text that does not shrink to nothing when it is packed."""
    return chance.randbytes(VALUE_BYTES // 2).hex().encode()


def _entry(number: int, chance: random.Random) -> Persist:
    workspace, at = divmod(number, STATE_ENTRIES_MAX)
    entry = Entry(_value(chance), 2, at + 1, 1)
    return Persist(number + 1, f"bench{workspace}", f"key/{at:06}", entry, at + 1)


def _of_daemon(
    name: str, core: int | None, data: Path, keys: int, importing: Path | None = None
) -> StartUp:
    file_mb = _megabytes_below(data)
    with Daemon(core=core, data=data, importing=importing) as daemon:
        return StartUp(name, keys, daemon.ready_ms, _memory_mb(daemon.pid), file_mb)


def _of_redis(core: int | None, keys: int) -> StartUp:
    with tempfile.TemporaryDirectory(prefix="askr-bench-") as folder:

        def words(_: Path, port: int) -> list[str]:
            return redis_words(Path(folder), port)

        with _running(Broker(words, None)) as filling, _connected(filling) as peer:
            _fill_redis(peer, keys)
        file_mb = _megabytes_below(Path(folder))
        with _running(Broker(words, core)) as running, _connected(running) as peer:
            waited_s = _until_loaded(peer)
            memory_mb = _memory_mb(running.pid)
            return StartUp(REDIS, keys, running.ready_ms + waited_s * 1000, memory_mb, file_mb)


def _fill_redis(peer: socket.socket, keys: int) -> None:
    chance = random.Random(keys)
    _ask(peer, b"CONFIG SET appendfsync no\r\n")
    for first in range(0, keys, BATCH):
        numbers = range(first, min(first + BATCH, keys))
        sets = (b"SET key/%07d %b\r\n" % (number, _value(chance)) for number in numbers)
        peer.sendall(b"".join(sets))
        left = len(numbers) * len(b"+OK\r\n")
        while left:
            left -= len(peer.recv(min(left, 65536)))
    _ask(peer, b"BGREWRITEAOF\r\n")
    until = time.perf_counter() + ANSWER_SECONDS
    while b"aof_rewrite_in_progress:1" in (told := _ask(peer, b"INFO persistence\r\n")) or (
        b"aof_rewrite_scheduled:1" in told
    ):
        assert time.perf_counter() < until, "redis did not write its file anew"
        time.sleep(PAUSE_SECONDS)


def _until_loaded(peer: socket.socket) -> float:
    """Returns after how many seconds more it answers a command."""
    begun_s = time.perf_counter()
    while _ask(peer, b"PING\r\n") != b"+PONG\r\n":
        assert time.perf_counter() < begun_s + ANSWER_SECONDS, "redis does not answer"
        time.sleep(PAUSE_SECONDS)
    return time.perf_counter() - begun_s


def _ask(peer: socket.socket, words: bytes) -> bytes:
    peer.sendall(words)
    return peer.recv(65536)


@contextmanager
def _connected(broker: Broker) -> Iterator[socket.socket]:
    host, _, port = broker.tcp.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), ANSWER_SECONDS) as peer:
        yield peer


@contextmanager
def _running(broker: Broker) -> Iterator[Broker]:
    try:
        yield broker
    finally:
        broker.stop()


def _megabytes_below(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def _memory_mb(pid: int) -> float:
    """Returns the resident memory of a process, 0 where it cannot be read."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) * 1024 / 1e6
