"""A peer written from docs/PROTOCOL.md alone: text frames over a bare socket."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

PATIENCE_S = 10.0

Frame = dict[str, Any]


def connected(url: str) -> socket.socket:
    """Returns a socket to a `unix:`, `ws:` or `tcp:` URL."""
    scheme, _, rest = url.partition(":")
    if scheme == "unix":
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(PATIENCE_S)
        made.connect(rest.removeprefix("//"))
        return made
    host, _, port = rest.strip("/").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


class TextPeer:
    """One connection that says and hears JSON lines; it answers pings by itself."""

    def __init__(self, url: str, name: str = "me", **hello: Any) -> None:
        self.socket = connected(url)
        self._lines = self.socket.makefile("rb")
        self._writing = threading.Lock()
        self.say(k="hello", v=1, name=name, **hello)
        self.welcome = self.hear()
        assert self.welcome["k"] == "welcome", self.welcome
        self.instance: str = self.welcome["instance"]

    def say(self, **frame: Any) -> None:
        self.say_bytes(json.dumps(frame).encode() + b"\n")

    def say_bytes(self, data: bytes) -> None:
        with self._writing:
            self.socket.sendall(data)

    def hear(self) -> Frame:
        """Returns the next frame that is no ping."""
        while line := self._lines.readline():
            frame: Frame = json.loads(line)
            if frame["k"] != "ping":
                return frame
            self.say(k="pong", id=frame.get("id", 0))
        raise ConnectionError("the daemon closed the connection")

    def hear_kind(self, kind: str) -> Frame:
        """Returns the next frame, which must be of ``kind``."""
        frame = self.hear()
        assert frame["k"] == kind, frame
        return frame

    def ask(self, **frame: Any) -> Frame:
        """Says a frame and returns what comes next."""
        self.say(**frame)
        return self.hear()

    def close(self) -> None:
        """Says goodbye and returns when the daemon has taken it, so that nothing lingers."""
        with contextlib.suppress(OSError, ValueError, ConnectionError):
            self.say(k="bye")
            while True:
                self.hear()
        self.drop()

    def drop(self) -> None:
        """Goes away without a word."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._lines.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


Answer = Callable[[Frame], Frame | None]


class TextService(TextPeer):
    """A service in a thread: each command is a function from the call to the answer's fields.

    Attributes:
        heard: every frame that was not a call, for tests to wait for.
        calls: every call.
    """

    def __init__(self, url: str, service: str, answers: dict[str, Answer], **body: Any) -> None:
        super().__init__(url, name=service)
        self._answers = answers
        self._changed = threading.Condition()
        self.heard: list[Frame] = []
        self.calls: list[Frame] = []
        names = [{"name": name} for name in answers]
        told = self.ask(k="provide", id=1, service=service, **({"commands": names} | body))
        assert told["k"] == "provided", told
        self._thread = threading.Thread(target=self._serve)
        self.socket.settimeout(None)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError, ValueError, ConnectionError):
            while True:
                self._take(self.hear())

    def _take(self, frame: Frame) -> None:
        answer = None
        if frame["k"] == "call":
            answer = self._answers[frame["to"].partition(".")[2]](frame)
        if answer is not None and not frame.get("silent"):
            self.say(**({"k": "reply", "id": frame["id"]} | answer))
        with self._changed:
            (self.calls if frame["k"] == "call" else self.heard).append(frame)
            self._changed.notify_all()

    def wait_for_call(self) -> Frame:
        """Returns the last call, once there is one."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.calls, PATIENCE_S)
            return self.calls[-1]

    def wait_for(self, kind: str) -> Frame:
        """Returns the first frame of ``kind`` that was heard, once there is one."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: any(one["k"] == kind for one in self.heard), PATIENCE_S
            ), self.heard
            return next(one for one in self.heard if one["k"] == kind)

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.say(k="bye")
        self._thread.join(PATIENCE_S)
        self.drop()

    def drop(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        super().drop()
