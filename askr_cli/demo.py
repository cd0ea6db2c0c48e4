"""`askr demo`: a guided tour with a real daemon and a real service, which it stops at the end.

Everything runs as its own process, as it would for a user; only the directory is temporary.
"""

import contextlib
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from askr_cli.demo_stage import Stage, StageFailed
from askr_cli.exits import Exit, Terminated, Usage
from askr_cli.render import RESET, dim
from askr_cli.safe_text import escaped_lines
from askr_cli.terminal import Terminal

BOLD = "\x1b[1m"


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the tour.

    Attributes:
        words: what is typed after `askr`.
        meaning: one line for people, shown above it.
        exit_code: how it must end.
    """

    words: tuple[str, ...]
    meaning: str
    exit_code: int = Exit.DONE


STEPS = (
    Step(("services",), "Who is there? One service, with the commands that it offers."),
    Step(("send", "fetch"), "A command: sent to the daemon, carried out by the service."),
    Step(("send", "start"), "Now the service emits an event every second ..."),
    Step(("listen", "FETCHED_TIME", "--count", "3"), "... and everyone who listens gets it."),
    Step(("send", "stop"), "Enough."),
    Step(("send", "nope"), "A command that nobody offers says what to do.", Exit.NOBODY),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """How one step went.

    Attributes:
        command: the command line.
        exit: its exit code.
        output: what it printed, standard output and error as they came.
        ms: how long it took.
        ok: whether it ended as it must.
    """

    command: str
    exit: int
    output: str
    ms: int
    ok: bool


def demo(terminal: Terminal) -> int:
    """Starts a temporary daemon and the example service, shows them, and stops them."""
    options = terminal.options
    if options.url or options.workspace or options.timeout_ms:
        raise Usage("the demo has a daemon of its own: leave --url, --workspace and --timeout out")
    started_s = time.monotonic()
    taken: list[Taken] = []
    trouble = ""

    def say(line: str) -> None:
        if not terminal.json:
            terminal.write_safe(_dressed(escaped_lines(line), colour=terminal.colour))

    say("# A temporary daemon, a service, and what you would type.\n")
    with tempfile.TemporaryDirectory(prefix="askr-demo-") as directory:
        stage = Stage(Path(directory), say)
        try:
            with _hangup_ends(), stage.running():
                trouble = _walk(stage, say, taken)
        except StageFailed as error:
            trouble = str(error)
        last_words = stage.last_words() if trouble else ""
    return _conclude(terminal, taken, trouble, last_words, time.monotonic() - started_s)


@contextlib.contextmanager
def _hangup_ends() -> Iterator[None]:
    """Lets a terminal that is closed end the tour in order, so that no process is left behind."""
    before = signal.signal(signal.SIGHUP, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _dressed(line: str, *, colour: bool) -> str:
    """Returns a line of the transcript: what is typed stands out, comments stand back."""
    if colour and line.startswith("$ "):
        return f"{BOLD}{line}{RESET}"
    return dim(line, colour=colour) if line.startswith("#") else line


def _walk(stage: Stage, say: Callable[[str], None], taken: list[Taken]) -> str:
    """Takes one step after the other; returns what went wrong, or nothing."""
    for step in STEPS:
        command = f"askr {' '.join(step.words)}"
        say(f"# {step.meaning}")
        started_s = time.monotonic()
        code, output = stage.askr(step.words)
        took_ms = round((time.monotonic() - started_s) * 1000)
        taken.append(Taken(command, code, output, took_ms, code == step.exit_code))
        say("")
        if code != step.exit_code:
            return f"'{command}' ended with {code}, not with {int(step.exit_code)}"
    return ""


def _conclude(
    terminal: Terminal, taken: list[Taken], trouble: str, last_words: str, took_s: float
) -> int:
    if terminal.json:
        steps = [asdict(step) for step in taken]
        result = {"ok": not trouble, "steps": steps, "seconds": round(took_s, 1)}
        terminal.print_json(result | ({"error": trouble} if trouble else {}))
    if trouble:
        terminal.say(f"the demo failed: {trouble}")
        for line in last_words.splitlines():
            terminal.note(line)
        return Exit.FAILED
    if not terminal.json:
        terminal.write(f"# That was it, in {took_s:.0f} s. Daemon and service are stopped.")
        terminal.write("# Your turn: askrd serve in one terminal, askr shell in another.")
    return Exit.DONE
