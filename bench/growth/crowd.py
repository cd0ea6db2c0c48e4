"""Peers that are merely there: connections, subscriptions and services nobody measured asks for."""

import json
import resource
import select
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from askrd.wire.codec import split
from askrd.wire.frames import HEADER, Coding, Kind
from bench.fallback import STALL_SECONDS, Invalid, Peer, encode

SPARE_FILES = 512
"""Descriptors needed besides those of the crowd: the measured connections, files, pipes."""
AT_ONCE = 200
"""Requests sent before their answers are read."""


class TooFewFiles(Exception):
    """This machine does not let a process open enough connections; the text says what to do."""


def allow_connections(count: int) -> None:
    """Raises the soft limit of open files for this process and those it starts.

    Raises:
        TooFewFiles: the hard limit is too low for ``count`` connections.
    """
    wanted = count + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise TooFewFiles(
            f"{count} connections need {wanted} open files and this shell may have {hard} at most. "
            f"Raise the hard limit (as root: prlimit --pid $$ --nofile={wanted}:{wanted}), "
            f"or leave the larger points out: --connections-max {max(0, hard - SPARE_FILES)}"
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Crowd:
    """Some peers of one daemon, gone at the end of the ``with`` block."""

    def __init__(self, url: str) -> None:
        self.peers: list[Peer] = []
        self._url = url
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for peer in self.peers:
            peer.socket.close()

    def join(self, count: int) -> None:
        """Connects ``count`` more peers.

        Raises:
            Invalid: the daemon refused one or did not answer in time.
        """
        for _ in range(count):
            peer = Peer(self._url, len(self.peers))
            peer.socket.settimeout(STALL_SECONDS)
            self.peers.append(peer)
            hello = b'{"v":[1],"name":"crowd"}'
            _send(peer, [encode(Kind.HELLO, 0, b"", Coding.JSON, hello)])
            _await(peer, Kind.WELCOME, 1)

    def subscribe(self, patterns: Sequence[str], *, per_peer: int) -> None:
        """Has new peers subscribe to ``patterns``, ``per_peer`` of them each."""
        frames = [self._request(Kind.SUB, pattern.encode(), b"") for pattern in patterns]
        self._spread(frames, Kind.SUBBED, per_peer)

    def provide(self, services: Iterable[str], *, per_peer: int) -> None:
        """Has new peers provide ``services``, ``per_peer`` of them each."""
        bodies = ({"service": name, "commands": [{"name": "run"}]} for name in services)
        frames = [self._request(Kind.PROVIDE, b"", json.dumps(body).encode()) for body in bodies]
        self._spread(frames, Kind.PROVIDED, per_peer)

    def tend(self) -> None:
        """Answers the daemon's pings, so that a crowd that is silent for long stays welcome."""
        poll = select.poll()
        by_number = {peer.socket.fileno(): peer for peer in self.peers}
        for number in by_number:
            poll.register(number, select.POLLIN)
        for number, _ in poll.poll(0):
            peer = by_number[number]
            for kind, id_ in _kinds(peer):
                if kind == Kind.PING:
                    _send(peer, [encode(Kind.PONG, id_, b"", Coding.NONE, b"")])

    def _request(self, kind: Kind, name: bytes, body: bytes) -> bytes:
        self._last_id += 1
        return encode(kind, self._last_id, name, Coding.JSON if body else Coding.NONE, body)

    def _spread(self, frames: Sequence[bytes], answer: Kind, per_peer: int) -> None:
        for start in range(0, len(frames), per_peer):
            self.join(1)
            mine = frames[start : start + per_peer]
            for at in range(0, len(mine), AT_ONCE):
                _send(self.peers[-1], mine[at : at + AT_ONCE])
                _await(self.peers[-1], answer, len(mine[at : at + AT_ONCE]))


def _send(peer: Peer, frames: Sequence[bytes]) -> None:
    peer.socket.sendall(b"".join([*peer.out, *frames]))
    peer.out = []


def _await(peer: Peer, answer: Kind, count: int) -> None:
    while count > 0:
        for kind, _ in _kinds(peer):
            if kind in {Kind.ERROR, Kind.FAIL, Kind.BYE}:
                raise Invalid(f"the daemon refused a peer of the crowd (kind {kind:#04x})")
            count -= kind == answer


def _kinds(peer: Peer) -> list[tuple[int, int]]:
    """Returns kind and id of the frames that came; waits for the first."""
    try:
        data = peer.socket.recv(1 << 16)
    except TimeoutError as exc:
        raise Invalid(f"the daemon said nothing for {STALL_SECONDS:.0f} s") from exc
    if not data:
        raise Invalid("the daemon closed a connection of the crowd")
    headers = [HEADER.unpack_from(f) for f in split(peer.assembly, data) if isinstance(f, bytes)]
    return [(header[1], header[4]) for header in headers]
