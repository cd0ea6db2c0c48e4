"""The processes of the tour: a daemon, a service, and one `askr` after the other.

They are started in a directory that is thrown away, with an environment that knows no settings of
the person, and stopped by their process ids, politely first.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from askrd.sync import Client
from askrd.wire.addresses import SOCKET_PATH_BYTES_MAX
from askrd.wire.errors import AskrError, DeadlineExceeded
from askrd.wire.names import WORKSPACE_DEFAULT

START_TIMEOUT_S = 10.0
STEP_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 3.0
LOG_LINES_SHOWN = 8
OUTPUT_BYTES_MAX = 1_000_000
SERVICE = "agent"
AGENT = Path(__file__).resolve().with_name("demo_agent.py")

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_S = 0.5
_READ_BYTES = 65_536


class StageFailed(Exception):
    """A process did not do what the tour needs; the message says which and what."""


class Stage:
    """Where the tour plays.

    Args:
        directory: for sockets and logs; removed by the caller.
        say: shows one line of the transcript.
        agent: source of the service.
    """

    def __init__(self, directory: Path, say: Callable[[str], None], agent: Path = AGENT) -> None:
        self._directory = directory
        self._say = say
        self._agent = agent
        self._url = ""
        self._logs: list[Path] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Starts daemon and service, and stops both at the end, whatever happened.

        Raises:
            StageFailed: one of them did not start.
        """
        with ExitStack() as stack:
            self._start_daemon(stack)
            self._start_agent(stack)
            yield

    def askr(self, words: Sequence[str]) -> tuple[int, str]:
        """Runs one command line, shows its output as it comes.

        Returns:
            Exit code and output, standard output and error as they came.

        Raises:
            StageFailed: it took longer than 10 s, or printed more than 1 MB.
        """
        command = f"askr {' '.join(words)}"
        self._say(f"$ {command}")
        with ExitStack() as stack:
            child = self._start(stack, ["-m", "askr_cli", *words], subprocess.PIPE)
            deadline_s = time.monotonic() + STEP_TIMEOUT_S
            output = b""
            for line in _lines(child, deadline_s, command):
                output += line
                if len(output) > OUTPUT_BYTES_MAX:
                    raise StageFailed(f"'{command}' printed more than {OUTPUT_BYTES_MAX} bytes")
                self._say(line.decode("utf-8", "replace").rstrip("\n"))
            return _wait(child, deadline_s, command), output.decode("utf-8", "replace")

    def last_words(self) -> str:
        """Returns the last lines of the logs of daemon and service, for an error text."""
        lines = []
        for log in self._logs:
            with contextlib.suppress(OSError):
                text = log.read_text(encoding="utf-8", errors="replace")
                lines += [f"{log.stem}: {line}" for line in text.splitlines()[-LOG_LINES_SHOWN:]]
        return "\n".join(lines)

    def _start_daemon(self, stack: ExitStack) -> None:
        listen = ["--listen", "ws://127.0.0.1:0"]
        socket = self._directory / "askrd.sock"
        if len(os.fsencode(socket)) <= SOCKET_PATH_BYTES_MAX:
            listen = ["--listen", f"unix:{socket}", *listen]
        self._say(f"$ askrd serve {' '.join(listen)} &")
        child = self._start(stack, ["-m", "askrd", "serve", "--json", *listen], self._log("askrd"))
        ready = _first_line(child, time.monotonic() + START_TIMEOUT_S, "askrd")
        try:
            where = [str(url) for url in msgspec.json.decode(ready)["listen"]]
            self._url = where[0]
        except (msgspec.DecodeError, LookupError, TypeError) as error:
            raise StageFailed("askrd did not say that it is ready") from error
        self._say(f"listening at {', '.join(where)}")
        self._say("")

    def _start_agent(self, stack: ExitStack) -> None:
        self._say(f"$ python {self._agent.name} &")
        child = self._start(stack, [str(self._agent)], self._log("agent"), is_quiet=True)
        try:
            with Client(
                self._url, workspace=WORKSPACE_DEFAULT, name="demo", reconnect=False
            ) as client:
                _wait_for_service(client, child)
        except AskrError as error:
            raise StageFailed(f"the example service did not join: {error}") from error
        self._say(f"its source: {self._agent}")
        self._say("")

    def _log(self, name: str) -> int:
        path = self._directory / f"{name}.log"
        self._logs.append(path)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _start(
        self, stack: ExitStack, arguments: Sequence[str], log: int, *, is_quiet: bool = False
    ) -> "subprocess.Popen[bytes]":
        """Starts Python with ``arguments``; ``log`` takes standard error, or is `PIPE` for both."""
        is_step = log == subprocess.PIPE
        with _undisturbed():
            child = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self._directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log if is_quiet else subprocess.PIPE,
                stderr=subprocess.STDOUT if is_step else log,
                start_new_session=True,  # Ctrl-C is for the tour, which stops them in order
            )
            stack.callback(stop, child)
        if not is_step:
            os.close(log)
        return child

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ASKR", "RUNTIME_DIRECTORY", "XDG_", "NOTIFY_SOCKET"))
        }
        places = ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
        kept |= dict.fromkeys(places, str(self._directory))
        package = str(AGENT.parent.parent)
        path = os.pathsep.join(filter(None, [package, kept.get("PYTHONPATH", "")]))
        return kept | {"ASKR_URL": self._url, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Holds signals back while a process is born, so that none is born and not remembered."""
    caught: list[int] = []
    before = {
        sign: signal.signal(sign, lambda number, _: caught.append(number)) for sign in _ENDING
    }
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
    for number in caught[:1]:
        signal.raise_signal(number)


def stop(child: "subprocess.Popen[bytes]") -> None:
    """Ends a process: asks with SIGTERM, insists with SIGKILL after 3 s."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
        finally:  # also when Ctrl-C comes a second time
            child.kill()
            child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _wait(child: "subprocess.Popen[bytes]", deadline_s: float, what: str) -> int:
    try:
        return child.wait(max(0.1, deadline_s - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise StageFailed(f"'{what}' did not end within {STEP_TIMEOUT_S:g} s") from error


def _wait_for_service(client: Client, child: "subprocess.Popen[bytes]") -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            client.wait_for(SERVICE, timeout=_LOOK_S)
            return
        except DeadlineExceeded:
            if child.poll() is not None:
                code = child.returncode
                raise StageFailed(f"the example service ended with {code} at once") from None
            if time.monotonic() > deadline_s:
                raise


def _first_line(child: "subprocess.Popen[bytes]", deadline_s: float, what: str) -> bytes:
    for line in _lines(child, deadline_s, what):
        return line
    raise StageFailed(f"{what} ended with {_wait(child, deadline_s, what)} before it was ready")


def _lines(child: "subprocess.Popen[bytes]", deadline_s: float, what: str) -> Iterator[bytes]:
    """Yields what a process prints, line by line, until it closes its output."""
    assert child.stdout is not None
    file, rest = child.stdout.fileno(), b""
    while True:
        ready, _, _ = select.select([file], [], [], max(0.0, deadline_s - time.monotonic()))
        if not ready:
            raise StageFailed(f"'{what}' said nothing more until its deadline")
        data = os.read(file, _READ_BYTES)
        *lines, rest = (rest + data).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if not data:
            break
    if rest:
        yield rest
