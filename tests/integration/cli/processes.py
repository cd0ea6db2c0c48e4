"""Processes that tests start through askr: whether they live, and what they leave in files."""

import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 10.0


def wait_until(is_so: Callable[[], object]) -> None:
    """Returns when ``is_so`` says something true; fails after 10 s."""
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until, "it did not come to pass within 10 s"
        time.sleep(0.01)


def text_in(path: Path) -> str:
    """Returns what a process writes to a file, once there is a whole line of it."""
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
    return path.read_text().strip()


def is_alive(pid: int) -> bool:
    """Says whether a process runs; one that only waits to be collected does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_for_end(pid: int) -> None:
    """Returns when a process has ended; fails after 10 s."""
    wait_until(lambda: not is_alive(pid))
