"""A real `askrd serve` for one test: on a free port and a private socket, gone afterwards."""

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 30.0
_SETTINGS = "ASKR"
"""Environment variables that begin so belong to whoever runs the tests, not to the daemon."""


class DaemonProcess:
    """One daemon in a process of its own; a context manager.

    Attributes:
        process: the running process.
        ready: the ready line, as the daemon said it.
        directory: a private folder, the daemon's runtime directory; removed at the end.
    """

    def __init__(
        self, *arguments: str, environ: dict[str, str] | None = None, config: str | None = None
    ) -> None:
        """Prepares a daemon; it starts with `start` or ``with``.

        Args:
            arguments: further arguments of `askrd serve`; with a ``--listen`` among them they
                replace the free port and the private socket.
            environ: variables added to its environment.
            config: text of a configuration file for it.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="askr-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}
        self._arguments = self._with_defaults(arguments, config)
        self._environ = {
            **{key: text for key, text in os.environ.items() if not key.startswith(_SETTINGS)},
            "XDG_RUNTIME_DIR": str(self.directory),
            "PYTHONUNBUFFERED": "1",
            **(environ or {}),
        }
        for given_by_systemd in ("RUNTIME_DIRECTORY", "STATE_DIRECTORY"):
            self._environ.pop(given_by_systemd, None)

    def _with_defaults(self, arguments: Sequence[str], config: str | None) -> list[str]:
        given = list(arguments)
        if not any(argument.split("=")[0] == "--listen" for argument in given):
            given += ["--listen", "ws://127.0.0.1:0", "--listen", f"unix:{self.socket}"]
        if config is not None:
            file = self.directory / "askrd.toml"
            file.write_text(config, encoding="utf-8")
            given += ["--config", str(file)]
        return given

    @property
    def socket(self) -> Path:
        """Where its private unix socket is."""
        return self.directory / "askrd.sock"

    @property
    def log(self) -> Path:
        """The file its standard error goes to."""
        return self.directory / "log"

    @property
    def listen(self) -> list[str]:
        """The addresses it says it listens on."""
        return [str(url) for url in self.ready["listen"]]

    @property
    def url(self) -> str:
        """Its TCP address as a WebSocket URL."""
        return next(url for url in self.listen if url.startswith("ws:"))

    @property
    def tcp_url(self) -> str:
        """The same address for raw binary connections; one port takes both."""
        return "tcp:" + self.url.removeprefix("ws:")

    @property
    def unix_url(self) -> str:
        """Its unix socket."""
        return next(url for url in self.listen if url.startswith("unix:"))

    @property
    def port(self) -> int:
        """The free port it got."""
        return int(self.url.rpartition(":")[2].strip("/"))

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None, "the daemon has not been started"
        return self.process.pid

    def environ(self) -> dict[str, str]:
        """Returns an environment in which `askr` and every client find this daemon."""
        return {**self._environ, "ASKR_URL": self.unix_url if self.socket.exists() else self.url}

    def start(self) -> Self:
        """Starts it and returns when it is ready.

        Raises:
            RuntimeError: it ended, or did not say that it is ready within 20 seconds; the message
                holds the end of its log.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "askrd", "serve", "--json", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environ,
            )
        line = _first_line(self.process, READY_TIMEOUT_S)
        if not line.startswith(b'{"ready":true') or not line.endswith(b"\n"):
            status = self.kill()
            tail = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            said = line.decode("utf-8", "replace")
            raise RuntimeError(f"askrd is not ready (status {status}): {said}\n{tail}")
        self.ready = json.loads(line)
        return self

    def stop(self, sign: int = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit status, at once when it has ended already.

        Raises:
            RuntimeError: it did not end within 30 seconds; it has been killed.
        """
        assert self.process is not None, "the daemon has not been started"
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as exc:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"askrd did not end within {STOP_TIMEOUT_S} seconds") from exc
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
        return status

    def kill(self) -> int:
        """Kills it as a crash would, and returns the exit status."""
        return self.stop(signal.SIGKILL)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except RuntimeError:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)


def _first_line(process: subprocess.Popen[bytes], timeout: float) -> bytes:
    """Returns what the process prints up to its first newline, less when it ends or is late."""
    assert process.stdout is not None
    line, end = b"", time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n") and selector.select(max(0.0, end - time.monotonic())):
            piece = os.read(process.stdout.fileno(), 1)
            if not piece:
                break
            line += piece
    return line
