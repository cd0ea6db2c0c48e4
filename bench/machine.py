"""What is measured on what: cores, interpreter, event loop, and who runs on which core."""

import importlib.util
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from askrd.version import VERSION

LOOP = """
import os, sys
core, parent = map(int, sys.argv[1:])
os.sched_setaffinity(0, {core})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""
"""Runs only when its core has nothing else to do, and ends with its parent."""
MODEL_LINE = "model name"
LATENCY_FILE = Path("/dev/cpu_dma_latency")
"""The kernel's door for the longest wake-up, in microseconds, that somebody can bear."""
NO_LATENCY = struct.pack("=i", 0)


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the daemon and the generator run; ``None`` when nobody is pinned."""

    daemon: int | None
    generator: int | None


def choose_cores() -> Cores:
    """Picks two cores this process may use, preferring two that are not siblings of one another."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return Cores(None, None)
    first = allowed[0]
    strangers = [core for core in allowed[1:] if core not in _siblings(first)]
    return Cores(first, (strangers or allowed[1:])[0])


def _siblings(core: int) -> set[int]:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    if not path.exists():
        return set()
    siblings: set[int] = set()
    for part in path.read_text().strip().split(","):
        low, _, high = part.partition("-")
        siblings |= set(range(int(low), int(high or low) + 1))
    return siblings


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Puts this process on ``core`` for the while, so that a child started inside stays there."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def kept_awake(cores: Cores) -> Iterator[None]:
    """Keeps both cores from sleeping for the while, with loops that yield to everything else."""
    loops = [
        subprocess.Popen([sys.executable, "-c", LOOP, str(core), str(os.getpid())])
        for core in (cores.daemon, cores.generator)
        if core is not None
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def may_poll() -> bool:
    """Returns whether this user may tell the kernel how deep idle cores sleep (mostly root)."""
    return os.access(LATENCY_FILE, os.W_OK)


@contextmanager
def kept_polling() -> Iterator[None]:
    """Has idle cores wait in a loop of the kernel instead of sleeping, all of them, for the while.

    Raises:
        OSError: this user may not; see ``may_poll``.
    """
    with LATENCY_FILE.open("wb", buffering=0) as held:  # counts for as long as it is open
        held.write(NO_LATENCY)
        yield


def describe(cores: Cores) -> dict[str, object]:
    """Returns what a reader needs to judge the figures, ready for JSON."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "pinned": asdict(cores),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_before": round(os.getloadavg()[0], 2),
    }


def describe_ours() -> str:
    """Returns what the askrd of this environment is: its version and its event loop."""
    has_uvloop = importlib.util.find_spec("uvloop") is not None
    return f"askrd {VERSION} on " + (f"uvloop {version('uvloop')}" if has_uvloop else "asyncio")


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith(MODEL_LINE)]
    return models[0] if models else platform.machine()
