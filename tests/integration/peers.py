"""Peers for tests that hold only a socket: one speaks text lines, one binary frames."""

import json
import socket
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

HEADER = struct.Struct("<IBBHQII")
MAGIC = b"\0askr/1\n"
TIMEOUT_S = 10.0
KIND = {
    "hello": 0x01, "welcome": 0x04, "ping": 0x05, "pong": 0x06, "bye": 0x07, "error": 0x08,
    "drain": 0x09, "part": 0x0A, "call": 0x10, "progress": 0x11, "reply": 0x12, "fail": 0x13,
    "cancel": 0x14, "sub": 0x30, "subbed": 0x31, "unsub": 0x32, "emit": 0x33, "emitted": 0x34,
    "event": 0x35, "gap": 0x38, "provide": 0x50, "provided": 0x51,
}  # fmt: skip
WORD = {number: word for word, number in KIND.items()}


def connect(where: str) -> socket.socket:
    """Connects to `unix:PATH` or `ws://HOST:PORT` as a plain stream."""
    if where.startswith("unix:"):
        plug = socket.socket(socket.AF_UNIX)
        plug.settimeout(TIMEOUT_S)
        plug.connect(where.removeprefix("unix:"))
        return plug
    host, _, port = where.partition("//")[2].strip("/").rpartition(":")
    plug = socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT_S)
    plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plug


class Peer:
    """What both kinds share: a socket that is closed at the end."""

    def __init__(self, where: str) -> None:
        self.socket = connect(where)
        self.rest = b""
        self.met: deque[dict[str, Any]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    @contextmanager
    def closed_unless_welcome(self) -> Iterator[None]:
        """Closes the socket of a peer that does not get as far as its first answer."""
        try:
            yield
        except BaseException:
            self.socket.close()
            raise

    def more(self) -> None:
        """Reads some bytes; EOFError when the daemon closed."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        self.rest += data

    def next(self) -> dict[str, Any]:
        """Returns the next frame that is no ping; EOFError when the daemon closed."""
        raise NotImplementedError

    def until(self, word: str, **members: Any) -> dict[str, Any]:
        """Returns the next frame of that kind with those members; frames before it are dropped."""
        while True:
            frame = self.next()
            if frame["k"] == word and all(frame.get(name) == v for name, v in members.items()):
                return frame

    def closed(self) -> bool:
        """Reads until the daemon closes; True when it does within the timeout."""
        try:
            while True:
                self.next()
        except EOFError:
            return True
        except TimeoutError:
            return False


class TextPeer(Peer):
    """Speaks text lines."""

    def __init__(self, where: str, *, name: str | None = "test", **members: Any) -> None:
        super().__init__(where)
        if name is not None:
            with self.closed_unless_welcome():
                self.say(k="hello", v=1, name=name, **members)
                self.welcome = self.until("welcome")

    def say(self, **frame: Any) -> None:
        self.raw(json.dumps(frame).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def next(self) -> dict[str, Any]:
        while True:
            line, newline, rest = self.rest.partition(b"\n")
            if not newline:
                self.more()
                continue
            self.rest = rest
            frame: dict[str, Any] = json.loads(line)
            if frame["k"] != "ping":
                return frame

    def call(self, id_: int, to: str, payload: Any = None, **members: Any) -> None:
        self.say(k="call", id=id_, to=to, d=payload, **members)

    def provide(self, service: str, *commands: str, **members: Any) -> None:
        self.say(
            k="provide", id=1, service=service, commands=[{"name": c} for c in commands], **members
        )
        self.until("provided")


class BinaryPeer(Peer):
    """Speaks binary frames."""

    def __init__(self, where: str, *, name: str | None = "test") -> None:
        super().__init__(where)
        with self.closed_unless_welcome():
            self.socket.sendall(MAGIC)
            if name is not None:
                self.say("hello", payload=json.dumps({"v": 1, "name": name}).encode(), coding=1)
                self.welcome = self.until("welcome")

    def say(
        self,
        word: str,
        id_: int = 0,
        name: bytes = b"",
        payload: bytes = b"",
        coding: int = 0,
        flags: int = 0,
        ttl_ms: int = 0,
    ) -> None:
        self.socket.sendall(self.frame(word, id_, name, payload, coding, flags, ttl_ms))

    @staticmethod
    def frame(
        word: str,
        id_: int = 0,
        name: bytes = b"",
        payload: bytes = b"",
        coding: int = 0,
        flags: int = 0,
        ttl_ms: int = 0,
    ) -> bytes:
        size = 20 + len(name) + len(payload)
        tail = coding | flags << 8
        return HEADER.pack(size, KIND[word], 0, len(name), id_, ttl_ms, tail) + name + payload

    def next(self) -> dict[str, Any]:
        while True:
            if len(self.rest) >= HEADER.size:
                size, kind, stamp, name, id_, ttl_ms, tail = HEADER.unpack_from(self.rest)
                if len(self.rest) >= size + 4:
                    frame, self.rest = self.rest[: size + 4], self.rest[size + 4 :]
                    if WORD[kind] == "ping":
                        self.say("pong", id_)
                        continue
                    at = HEADER.size + stamp
                    return {
                        "k": WORD[kind],
                        "id": id_,
                        "stamp": frame[HEADER.size : at],
                        "name": frame[at : at + name],
                        "payload": frame[at + name :],
                        "coding": tail & 0xFF,
                        "flags": tail >> 8 & 0xFF,
                        "ttl_ms": ttl_ms,
                    }
            self.more()

    def body(self, word: str, **members: Any) -> dict[str, Any]:
        """Returns the JSON body of the next frame of that kind."""
        body: dict[str, Any] = json.loads(self.until(word, **members)["payload"])
        return body
