"""A client of server-sent events for tests, on the client of the standard library."""

import http.client
import json
from typing import Any, Self

from tests.integration.peers import TIMEOUT_S


class Stream:
    """One open `/listen`; a context manager that gives the events as they come."""

    def __init__(self, port: int, path: str, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        self.connection.request("GET", path, headers=headers)
        self.answer = self.connection.getresponse()

    def __enter__(self) -> Self:
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.headers["content-type"] == "text/event-stream"
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self.connection.close()

    def fields(self) -> dict[str, str]:
        """Returns the fields of the next event; comments and `retry` are passed over."""
        found: dict[str, str] = {}
        while line := self.answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name in {"id", "event", "data"}:
                found[name] = value
            elif not name and "data" in found:
                return found
        raise ConnectionError("the stream ended")

    def next(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.fields()["data"])
        return found

    def until_listening(self) -> "Stream":
        while self.answer.readline() != b": listening\n":
            pass
        return self
