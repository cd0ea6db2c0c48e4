"""Both sides of node-askr as it is: plain TCP, one JSON text per write, each chunk read as one text."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

PATIENCE_S = 10.0
CHUNK_BYTES = 65_536
"""What Node's net reads at most at once."""

Json = Any
COMMAND = ("workspace", "mid", "command", "data")


def written(message: Json) -> bytes:
    """Returns a message as JSON.stringify writes it."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def is_true(value: Json) -> bool:
    """Says whether JavaScript takes a value for true: an empty object is."""
    return isinstance(value, dict | list) or bool(value)


class NodeAskrClient:
    """node-askr's client: it takes each chunk that arrives for one whole message.

    Attributes:
        chunks: every chunk that arrived, as it was.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.chunks: list[bytes] = []
        self._mids = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def say(self, message: Json) -> None:
        self.write(written(message))

    def command(self, name: str, data: Json, mid: Json) -> bytes:
        """Returns the bytes of a command."""
        return written({"workspace": "askr", "mid": mid, "command": name, "data": data})

    def subscribe(self, event: str) -> None:
        self.say({"type": "subscription", "eventType": event})

    def chunk(self) -> bytes:
        """Returns the next chunk, which must be one JSON text; empty when askrd hung up."""
        data = self.socket.recv(CHUNK_BYTES)
        if data:
            json.loads(data)
            self.chunks.append(data)
        return data

    def texts(self, count: int) -> list[Json]:
        """Returns the next messages, whether or not this slow reader got several at once."""
        found: list[Json] = []
        rest = ""
        while len(found) < count:
            data = self.socket.recv(CHUNK_BYTES)
            assert data, found
            rest += data.decode()
            while rest.endswith("}") and rest:
                text, end = json.JSONDecoder().raw_decode(rest)
                found.append(text)
                rest = rest[end:]
        return found

    def send(self, name: str, data: Json = None, mid: Json = None) -> bytes:
        """Sends a command and returns the first chunk that arrives, whatever it is, as node-askr."""
        self._mids += 1
        given = {} if data is None else data
        self.write(self.command(name, given, f"mid-{self._mids}" if mid is None else mid))
        return self.chunk()

    def value(self, name: str, data: Json = None) -> Json:
        """Sends a command and returns its value."""
        return json.loads(self.send(name, data)).get("value")


Handler = Callable[[Json], Json]


class NodeAskrService:
    """node-askr's service: a TCP server that takes each chunk for one whole message.

    Attributes:
        commands: what it offers: from data to value. None as a value is nothing returned, and an
            exception's text its error.
        chunks: every chunk it read.
        port: where it listens.
        accepted: how many connections it has had.
    """

    def __init__(self, commands: dict[str, Handler], port: int = 0) -> None:
        self.commands = commands
        self.chunks: list[bytes] = []
        self.accepted = 0
        self._changed = threading.Condition()
        self._listeners: dict[str, list[socket.socket]] = {}
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", port))
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"node-askr://127.0.0.1:{self.port}"

    def emit(self, event: str, payload: Json) -> None:
        """Tells everyone who subscribed."""
        for plug in self._listeners.get(event, []):
            plug.sendall(written({"type": event, "payload": payload}))

    def wait_for(self, is_there: Callable[[], bool]) -> None:
        """Returns once something is so that changes with what is read."""
        with self._changed:
            assert self._changed.wait_for(is_there, PATIENCE_S), self.chunks

    def wait_for_listener(self, event: str) -> None:
        self.wait_for(lambda: bool(self._listeners.get(event)))

    def hang_up(self) -> None:
        """Cuts every connection and goes on listening."""
        with self._changed:
            cut, self._open = self._open, []
            self._listeners.clear()
        for plug in cut:
            with contextlib.suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                plug, _ = self._server.accept()
            except OSError:
                return
            with self._changed:
                self._open.append(plug)
                self.accepted += 1
                self._changed.notify_all()
            thread = threading.Thread(target=self._serve, args=(plug,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plug: socket.socket) -> None:
        with plug:
            while True:
                try:
                    chunk = plug.recv(CHUNK_BYTES)
                except OSError:
                    return
                if not chunk:
                    return
                self._take(plug, chunk)

    def _take(self, plug: socket.socket, chunk: bytes) -> None:
        message = json.loads(chunk)
        if message.get("type") == "subscription":
            self._listeners.setdefault(message["eventType"], []).append(plug)
        elif all(is_true(message.get(each)) for each in COMMAND):
            answer = written(self._answer(message))
            with contextlib.suppress(OSError):  # A command may have hung up.
                plug.sendall(answer)
        with self._changed:
            self.chunks.append(chunk)
            self._changed.notify_all()

    def _answer(self, message: Json) -> Json:
        name, mid = message["command"], message["mid"]
        if name not in self.commands:
            return {"mid": mid, "error": f"Command's callback for {name} not found"}
        try:
            value = self.commands[name](message["data"])
        except ValueError as error:
            return {"mid": mid, "error": str(error)}
        return {"mid": mid} if value is None else {"mid": mid, "value": value}

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
