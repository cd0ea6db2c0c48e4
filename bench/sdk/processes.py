"""The parties of a run as processes: started on a core, listened to, timed and ended."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.daemon import PROJECT
from bench.machine import pinned

WORD_SECONDS = 30.0
STOP_SECONDS = 5.0
NS_PER_US = 1000


class PartyFailed(Exception):
    """A party ended or fell silent before it had said what was expected."""


class Party:
    """A running `bench.sdk.party`, ended by leaving the ``with`` block."""

    def __init__(self, words: Sequence[str], core: int | None) -> None:
        command = [sys.executable, "-m", "bench.sdk.party", *words]
        with pinned(core):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=PROJECT,
            )
        self._rest = b""
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def hear(self, wanted: str) -> dict[str, float]:
        """Returns what the party says with the word ``wanted``.

        Raises:
            PartyFailed: it says something else, ends, or is silent for 30 s.
        """
        said = json.loads(self._line())
        if said["word"] != wanted:
            raise PartyFailed(str(said.get("error", said)))
        return dict(said)

    def finish(self) -> None:
        """Waits until the party has ended by itself.

        Raises:
            PartyFailed: it complains, or does not end.
        """
        try:
            self._process.wait(WORD_SECONDS)
        except subprocess.TimeoutExpired as exc:
            raise PartyFailed("it does not end") from exc
        rest = self._rest + self._read()
        if self._process.returncode or rest:
            raise PartyFailed(self._complaint() or rest.decode())

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        deadline = time.monotonic() + WORD_SECONDS
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise PartyFailed(f"it said nothing for {WORD_SECONDS:.0f} s")
            chunk = self._read()
            if not chunk:
                raise PartyFailed(self._complaint())
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        return os.read(self._process.stdout.fileno(), 65536)

    def _complaint(self) -> str:
        """Returns the last line of its traceback."""
        assert self._process.stderr is not None
        lines = self._process.stderr.read().decode("utf-8", "replace").strip().splitlines()
        return next((line for line in reversed(lines) if line.strip(" |+-")), "it ended")[-300:]


def cpu_us(pid: int) -> float | None:
    """Returns the processor time of a process so far, all its threads, in microseconds."""
    try:
        stats = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(stat.read_text().split()[0]) for stat in stats) / NS_PER_US
    except (OSError, ValueError, IndexError):
        return None
