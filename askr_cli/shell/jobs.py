"""What runs in the background of the shell: each job a thread with a connection of its own.

A job's own connection is how it is ended: closing it makes the daemon cancel what the job asked.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

from askr_cli.exits import Exit, Usage

JOBS_MAX = 16
ENDING_TIMEOUT_S = 2.0
HELD_MAX = 1_000


@dataclass(slots=True)
class Job:
    """One statement in the background.

    Attributes:
        number: 1 and up; the person says ``%1``.
        text: the statement.
        code: its exit code, or None while it runs.
        ending: whether the person asked to end it.
    """

    number: int
    text: str
    code: int | None = None
    ending: bool = False
    _client: Any = None
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def adopt(self, client: Any) -> Any:
        """Remembers the connection of the job; returns it."""
        with self._lock:
            self._client = client
            ending = self.ending
        if ending:
            client.close()
        return client

    def end(self) -> None:
        """Closes the job's connection and waits until it has noticed."""
        with self._lock:
            self.ending, client = True, self._client
        if client is not None:
            client.close()
        if self._thread is not None:
            self._thread.join(ENDING_TIMEOUT_S)

    def start(self, work: Callable[["Job"], int]) -> None:
        """Runs ``work`` in a thread."""
        self._thread = threading.Thread(
            target=self._run, args=(work,), name=f"askr job {self.number}", daemon=True
        )
        self._thread.start()

    def _run(self, work: Callable[["Job"], int]) -> None:
        code = int(Exit.FAILED)
        try:
            code = work(self)
        finally:
            self.code = code

    def row(self) -> dict[str, Any]:
        """Returns what JSON output says about it."""
        return {"job": self.number, "text": self.text, "exit": self.code}

    def __str__(self) -> str:
        state = "running" if self.code is None else f"ended with {self.code}"
        return f"[{self.number}]  {state:<14} {self.text}"


class Jobs:
    """The background jobs of one shell."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def start(self, text: str, work: Callable[[Job], int]) -> Job:
        """Starts a job.

        Raises:
            Usage: 16 are running already.
        """
        self.forget_ended()
        if len(self._jobs) >= JOBS_MAX:
            raise Usage(f"{JOBS_MAX} jobs are running already: end one with kill %N  (jobs)")
        number = min(set(range(1, JOBS_MAX + 1)) - set(self._jobs))
        job = Job(number, text)
        self._jobs[number] = job
        job.start(work)
        return job

    def forget_ended(self) -> list[Job]:
        """Forgets the jobs that have ended, and returns them."""
        ended = [job for job in self if job.code is not None]
        for job in ended:
            del self._jobs[job.number]
        return ended

    def end(self, name: str) -> Job:
        """Ends a job by its number, with or without ``%``.

        Raises:
            Usage: there is no such job.
        """
        number = name.removeprefix("%")
        job = self._jobs.get(int(number)) if number.isdecimal() and len(number) < 4 else None
        if job is None:
            raise Usage(f"there is no job {name!r}  (jobs)")
        job.end()
        self._jobs.pop(job.number, None)
        return job

    def end_all(self) -> None:
        """Ends every job."""
        for job in self:
            job.end()
        self._jobs.clear()


class Prefixed:
    """A text stream that begins every line with the number of its job.

    Args:
        out: where the lines go, whole lines at a time.
        prefix: what stands before each.
    """

    def __init__(self, out: TextIO, prefix: str) -> None:
        self._out = out
        self._prefix = prefix
        self._rest = ""

    def write(self, text: str) -> int:
        """Takes some text; what ends with a line break is passed on."""
        *lines, self._rest = (self._rest + text).split("\n")
        if lines:
            self._out.write("".join(f"{self._prefix}{line}\n" for line in lines))
        return len(text)

    def flush(self) -> None:
        """Passes on what was written so far, to the last line break."""
        self._out.flush()

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self._out.isatty()


class Gate:
    """A text stream that can be shut for a while, when something else has the whole screen.

    What is written meanwhile comes when it opens again, at most the newest thousand pieces.

    Args:
        out: where the text goes.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._held: deque[str] = deque(maxlen=HELD_MAX)
        self._is_shut = False

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Holds back what is written during the block."""
        self._is_shut = True
        try:
            yield
        finally:
            with self._lock:
                self._is_shut = False
                self._out.write("".join(self._held))
                self._held.clear()
            self._out.flush()

    def write(self, text: str) -> int:
        """Writes now or when the gate opens."""
        with self._lock:
            if self._is_shut:
                self._held.append(text)
            else:
                self._out.write(text)
        return len(text)

    def flush(self) -> None:
        """Passes on what may pass."""
        if not self._is_shut:
            self._out.flush()

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self._out.isatty()
