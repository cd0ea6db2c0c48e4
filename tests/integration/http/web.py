"""HTTP for tests: one request as a client of the standard library makes it, and bare sockets."""

import http.client
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.integration.peers import TIMEOUT_S, connect


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def code(self) -> str:
        error = self.json["error"]
        assert self.json["ok"] is False
        assert set(error) == {"code", "message", "details", "retryable", "at"}
        return str(error["code"])


def ask(
    port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Makes one request on a connection of its own; anything but bytes is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    given = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        given.setdefault("content-type", "application/json")
    try:
        connection.request(method, path, body=body, headers=given)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Response(answer.status, found, answer.read())
    finally:
        connection.close()


def raw(url: str, data: bytes) -> bytes:
    """Sends bytes and returns everything until the daemon closes."""
    with connect(url) as plug:
        plug.sendall(data)
        return everything(plug)


def everything(plug: socket.socket) -> bytes:
    found = b""
    try:
        while piece := plug.recv(1 << 16):
            found += piece
    except ConnectionResetError:
        pass
    return found


def read_until(plug: socket.socket, words: bytes) -> bytes:
    """Reads until ``words`` came, at most ten seconds."""
    found = b""
    end = time.monotonic() + TIMEOUT_S
    while words not in found:
        assert time.monotonic() < end, found
        piece = plug.recv(1 << 16)
        assert piece, found
        found += piece
    return found


def statuses(answers: bytes) -> list[int]:
    """Returns the status of every response in a row, each with its length."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        found.append(int(first.split()[1]))
        given = dict(line.lower().split(b": ", 1) for line in lines)
        answers = rest[int(given.get(b"content-length", b"0")) :]
    return found
