"""Black box: every code a daemon may answer with, and the exit code it ends `askr` with.

A stand-in for the daemon says what the real one says only in rare conditions.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.wire.bodies import dump
from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import MAGIC, Coding, Frame, Kind
from askrd.wire.limits import DEFAULT_LIMITS
from tests.integration.cli.program import Askr

pytestmark = pytest.mark.integration

WELCOME = {
    "v": 1,
    "id": "askr-askr-abcdef",
    "instance": "abcdef",
    "workspace": "askr",
    "daemon": "d",
    "epoch": "e",
    "resume": "r",
    "version": "0",
    "limits": {},
}
TABLE = {
    "bad_request": 3, "unknown_kind": 3, "schema_invalid": 3, "payload_too_large": 3,
    "unauthenticated": 4, "forbidden": 4,
    "workspace_unknown": 5, "service_unknown": 5, "command_unknown": 5, "not_found": 5, "gone": 5,
    "no_instance": 5, "command_ambiguous": 2, "handler_error": 6, "unseal_failed": 6,
    "instance_lost": 8, "connection_lost": 8, "slow_consumer": 8, "outcome_unknown": 8,
    "conflict": 9, "version_unsupported": 9, "swap_failed": 9,
    "busy": 75, "draining": 75, "limit_exceeded": 75, "unavailable": 75,
    "deadline_exceeded": 124, "cancelled": 130, "internal": 1, "storage_unavailable": 1,
}  # fmt: skip


def frame(kind: Kind, body: object, id: int = 0) -> bytes:
    return encode(Frame(kind=kind, id=id, payload=dump(body), coding=Coding.JSON))


class StandIn:
    """Greets whoever connects, or refuses, and fails every command with one code."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix:{path}"
        self.code = ""
        self.refuses = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                with peer:
                    self._talk(peer)

    def _talk(self, peer: socket.socket) -> None:
        assembly = Assembly(DEFAULT_LIMITS.frame_bytes_max)
        skip = len(MAGIC)
        while data := peer.recv(65_536):
            skipped, skip = data[skip:], max(0, skip - len(data))
            for one in split(assembly, skipped):
                self._answer(peer, decode(one))

    def _answer(self, peer: socket.socket, heard: Frame) -> None:
        failure = {"code": self.code, "message": "the reason", "at": "daemon"}
        if heard.kind == Kind.HELLO and self.refuses:
            peer.sendall(frame(Kind.ERROR, failure))
            peer.shutdown(socket.SHUT_RDWR)
        elif heard.kind == Kind.HELLO:
            peer.sendall(frame(Kind.WELCOME, WELCOME))
        elif heard.kind == Kind.CALL:
            peer.sendall(frame(Kind.FAIL, failure, heard.id))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    made = StandIn(tmp_path / "s")
    yield made
    made.close()


@pytest.mark.parametrize(("code", "number"), TABLE.items())
def test_a_failed_command_ends_with_its_number(
    stand_in: StandIn, tmp_path: Path, code: str, number: int
) -> None:
    stand_in.code = code
    told = Askr(tmp_path, stand_in.url)("send", "fetch", "--json")
    assert (told.code, told.json["error"]["code"]) == (number, code)
    assert "the reason" in told.err


@pytest.mark.parametrize(
    "code", ["version_unsupported", "unauthenticated", "forbidden", "workspace_unknown"]
)
def test_a_refused_greeting_ends_with_its_number(
    stand_in: StandIn, tmp_path: Path, code: str
) -> None:
    stand_in.code = code
    stand_in.refuses = True
    told = Askr(tmp_path, stand_in.url)("ping", "--json")
    assert (told.code, told.json["error"]["code"]) == (TABLE[code], code)
