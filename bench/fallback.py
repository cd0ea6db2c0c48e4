"""The load generator in Python, for machines without a C compiler: same words, same JSON line.

Frames are encoded in batches and written once per connection and wake, but it is slower than the
daemon it loads, so its figures are marked as possibly its own limit.
"""

import argparse
import json
import resource
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from struct import Struct as Packing

from askrd.wire.codec import Assembly, split
from askrd.wire.frames import HEADER, HEADER_REST_BYTES, MAGIC, Coding, Kind

SUBJECT = b"bench.event"
MARK = Packing("<Q")
READ_BYTES = 512 * 1024
FRAME_BYTES_MAX = 16 * 1024 * 1024
STALL_SECONDS = 10.0


class Invalid(Exception):
    """The run cannot give a figure; the text says why."""


def encode(kind: Kind, id_: int, name: bytes, coding: Coding, payload: bytes) -> bytes:
    """Returns one frame as a peer sends it: without a stamp, flags, sections or a deadline."""
    size = HEADER_REST_BYTES + len(name) + len(payload)
    return HEADER.pack(size, kind, 0, len(name), id_, 0, coding) + name + payload


class Peer:
    """One connection and what waits to be written to it."""

    def __init__(self, url: str, number: int) -> None:
        self.number = number
        self.expected = 0
        self.last_kind = 0
        self.out = [MAGIC]
        self.assembly = Assembly(FRAME_BYTES_MAX)
        self.socket = _dial(url)
        self.socket.settimeout(0)

    def send(self, frame: bytes) -> None:
        """Queues ``frame`` for the next flush."""
        self.out.append(frame)

    def flush(self) -> bool:
        """Writes what it can and returns whether everything is gone."""
        data = b"".join(self.out)
        try:
            sent = self.socket.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        self.out = [data[sent:]] if sent < len(data) else []
        return not self.out


def _dial(url: str) -> socket.socket:
    scheme, _, rest = url.partition(":")
    rest = rest.removeprefix("//")
    try:
        if scheme == "unix":
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(rest)
            return connection
        host, _, port = rest.rpartition(":")
        connection = socket.create_connection((host, int(port)), timeout=STALL_SECONDS)
    except (OSError, ValueError) as exc:
        raise Invalid(f"cannot connect to {url}: {exc}") from exc
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Run:
    """One workload from the first connection to the printed line."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.selector = selectors.DefaultSelector()
        self.waiting: set[Peer] = set()
        self.payload = b"x" * (options.payload - MARK.size)
        self.done = 0
        self.outstanding = 0
        self.sending = True
        self.sampling = False
        self.samples_ns: list[int] = []

    def take(self, peer: Peer, kind: int, id_: int, frame: bytes, payload_at: int) -> None:
        """Reads one frame that belongs to the workload."""

    def start(self) -> None:
        """Sends the first frames of the workload."""

    def join(self, number: int) -> Peer:
        """Connects one peer and waits until it is welcome."""
        peer = Peer(self.options.url, number)
        self.selector.register(peer.socket, selectors.EVENT_READ, peer)
        hello = b'{"v":[1],"name":"bench"}'
        self.ask(peer, encode(Kind.HELLO, 0, b"", Coding.JSON, hello), Kind.WELCOME)
        return peer

    def ask(self, peer: Peer, frame: bytes, answer: Kind) -> None:
        """Sends ``frame`` and turns the loop until a frame of kind ``answer`` came back."""
        peer.send(frame)
        self.waiting.add(peer)
        deadline = time.monotonic() + STALL_SECONDS
        while peer.last_kind != answer:
            if time.monotonic() > deadline:
                raise Invalid(f"no answer of kind {answer:#04x} came in time")
            self.turn()

    def turn(self) -> None:
        """One wake: one write per connection, then read everything that is ready."""
        self.waiting = {peer for peer in self.waiting if not peer.flush()}
        blocked = bool(self.waiting)
        for key, _ in self.selector.select(0.001 if blocked else 0.1):
            peer: Peer = key.data
            data = peer.socket.recv(READ_BYTES)
            if not data:
                raise Invalid("the daemon closed a connection")
            for frame in split(peer.assembly, data):
                if not isinstance(frame, bytes):
                    raise Invalid(f"the daemon sent something that is no frame: {frame}")
                self.read(peer, frame)
            if peer.out:
                self.waiting.add(peer)

    def read(self, peer: Peer, frame: bytes) -> None:
        """Takes one frame; what is not the workload's is answered or refused here."""
        _, kind, stamp_length, name_length, id_, _, _ = HEADER.unpack_from(frame)
        payload_at = HEADER.size + stamp_length + name_length
        peer.last_kind = kind
        if kind == Kind.PING:
            peer.send(encode(Kind.PONG, id_, b"", Coding.NONE, b""))
        elif kind in {Kind.ERROR, Kind.FAIL, Kind.BYE, Kind.GAP}:
            text = frame[payload_at:].decode(errors="replace")
            raise Invalid(f"the daemon sent a frame of kind {kind:#04x}: {text}")
        else:
            self.take(peer, kind, id_, frame, payload_at)

    def check(self, frame: bytes, payload_at: int, mark: int) -> None:
        """Refuses a payload of another length, order or content."""
        if len(frame) - payload_at != self.options.payload:
            raise Invalid(f"a payload of {len(frame) - payload_at} bytes came back")
        if MARK.unpack_from(frame, payload_at)[0] != mark or frame[-1:] != b"x":
            raise Invalid("a payload came back changed or out of order")

    def finish_one(self, started_ns: int) -> None:
        """Notes the latency of one finished command or event."""
        if self.sampling:
            self.samples_ns.append(time.perf_counter_ns() - started_ns)

    def spend(self, seconds: float) -> None:
        """Turns the loop for ``seconds``, or until nothing is outstanding."""
        end = time.monotonic() + seconds
        last, moved = self.done, time.monotonic()
        while self.outstanding and (now := time.monotonic()) < end:
            self.turn()
            if self.done != last:
                last, moved = self.done, now
            elif now - moved > STALL_SECONDS:
                raise Invalid(f"nothing arrived for {STALL_SECONDS:.0f} s")

    def measure(self) -> dict[str, object]:
        """Warms up, measures, waits for the last answers and returns the figures."""
        self.start()
        self.spend(self.options.warm_up_ms / 1000)
        self.sampling = True
        before = self.snap()
        self.spend(self.options.ms / 1000)
        after = self.snap()
        self.sampling = self.sending = False
        self.spend(STALL_SECONDS)
        if self.outstanding:
            raise Invalid(f"{self.outstanding} answers or events never came")
        return self.figures(before, after)

    def snap(self) -> tuple[float, int, float, float | None]:
        """Returns now, what is done, and the seconds of processor this and the daemon used."""
        used = read_number(self.options.pid, "schedstat", "")
        seconds = None if used is None else used / 1e9
        return time.monotonic(), self.done, time.process_time(), seconds

    def figures(
        self,
        before: tuple[float, int, float, float | None],
        after: tuple[float, int, float, float | None],
    ) -> dict[str, object]:
        """Returns the JSON object of a measured workload."""
        seconds, count = after[0] - before[0], after[1] - before[1]
        if not count:
            raise Invalid(f"nothing was measured in {seconds:.2f} s")
        result: dict[str, object] = {"ok": True, "workload": self.options.workload}
        result |= {"count": count, "seconds": round(seconds, 4)}
        result |= {"per_second": round(count / seconds, 1)}
        result |= {"mb_per_second": round(count / seconds * self.options.payload / 1e6, 1)}
        if self.samples_ns:
            ordered = sorted(self.samples_ns)
            result["p50_us"] = ordered[len(ordered) // 2] / 1000
            result["p99_us"] = ordered[len(ordered) * 99 // 100] / 1000
        if before[3] is not None and after[3] is not None:
            used = after[3] - before[3]
            result |= {"daemon_cpu": used / seconds, "daemon_us_per_op": used * 1e6 / count}
        return result | {"generator_cpu": round((after[2] - before[2]) / seconds, 3)}


class Calls(Run):
    """Pairs of a caller and a callee, each with so many commands in flight."""

    def start(self) -> None:
        self.callers = []
        self.started: dict[tuple[int, int], int] = {}
        for number in range(self.options.pairs):
            service = b"echo%d" % number
            body = b'{"service":"%s","commands":[{"name":"run"}]}' % service
            callee = self.join(number)
            self.ask(callee, encode(Kind.PROVIDE, 1, b"", Coding.JSON, body), Kind.PROVIDED)
            self.callers.append(self.join(number))
        for caller in self.callers:
            for id_ in range(1, self.options.in_flight + 1):
                self.call(caller, id_)

    def call(self, caller: Peer, id_: int) -> None:
        """Sends one command."""
        name = b"echo%d.run" % caller.number
        caller.send(encode(Kind.CALL, id_, name, Coding.BYTES, MARK.pack(id_) + self.payload))
        self.waiting.add(caller)
        self.started[caller.number, id_] = time.perf_counter_ns()
        self.outstanding += 1

    def take(self, peer: Peer, kind: int, id_: int, frame: bytes, payload_at: int) -> None:
        if kind == Kind.CALL:
            peer.send(encode(Kind.REPLY, id_, b"", Coding.BYTES, frame[payload_at:]))
        elif kind == Kind.REPLY:
            started_ns = self.started.pop((peer.number, id_), None)
            if started_ns is None:
                raise Invalid(f"a reply to id {id_}, which nobody awaits")
            self.check(frame, payload_at, id_)
            self.finish_one(started_ns)
            self.done += 1
            self.outstanding -= 1
            if self.sending:
                self.call(peer, id_ + self.options.in_flight)


class Events(Run):
    """One emitter and so many listeners, with a window of events not yet heard by all."""

    def start(self) -> None:
        for number in range(self.options.listeners):
            listener = self.join(number)
            self.ask(listener, encode(Kind.SUB, 1, SUBJECT, Coding.NONE, b""), Kind.SUBBED)
        self.emitter = self.join(0)
        self.published = 0
        self.head = encode(Kind.EMIT, 0, SUBJECT, Coding.BYTES, bytes(MARK.size) + self.payload)
        self.head = self.head[: HEADER.size + len(SUBJECT)]
        self.awaited = [0] * self.options.window
        self.published_ns = [0] * self.options.window
        self.publish()

    def publish(self) -> None:
        """Fills the window."""
        while self.sending and not self.awaited[index := self.published % self.options.window]:
            self.emitter.out += (self.head, MARK.pack(self.published), self.payload)
            self.awaited[index] = self.options.listeners
            self.published_ns[index] = time.perf_counter_ns()
            self.outstanding += self.options.listeners
            self.published += 1
        self.waiting.add(self.emitter)

    def take(self, peer: Peer, kind: int, id_: int, frame: bytes, payload_at: int) -> None:
        if kind != Kind.EVENT:
            return
        self.check(frame, payload_at, peer.expected)
        index = peer.expected % self.options.window
        peer.expected += 1
        self.done += 1
        self.outstanding -= 1
        self.awaited[index] -= 1
        if not self.awaited[index]:
            self.finish_one(self.published_ns[index])
            self.publish()


class Idle(Run):
    """Silent connections and the daemon's memory before and after them."""

    def measure(self) -> dict[str, object]:
        self.join(0)
        before = read_number(self.options.pid, "status", "RssAnon:")
        started = time.monotonic()
        peers = [self.join(number) for number in range(self.options.connections)]
        seconds = time.monotonic() - started
        after = read_number(self.options.pid, "status", "RssAnon:")
        grown = None if before is None or after is None else (after - before) * 1024 // len(peers)
        result: dict[str, object] = {"ok": True, "workload": "idle", "count": len(peers)}
        result |= {"seconds": round(seconds, 4), "per_second": round(len(peers) / seconds, 1)}
        return result | {"bytes_per_connection": grown}


def read_number(pid: int, file: str, before: str) -> int | None:
    """Returns the number that follows ``before`` in the daemon's ``/proc`` file, if readable."""
    path = Path(f"/proc/{pid}/{file}")
    if not pid or not path.exists():
        return None
    return int(
        path.read_text().partition(before)[2].split()[0] if before else path.read_text().split()[0]
    )


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fallback", description=__doc__)
    parser.add_argument("workload", choices=("call", "event", "idle"))
    parser.add_argument("--url", required=True)
    numbers = {"pid": 0, "pairs": 1, "in-flight": 1, "listeners": 1, "window": 1}
    numbers |= {"payload": 128, "connections": 1000, "ms": 1000, "warm-up-ms": 250}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs one workload, prints its line and returns 0, or 1 when it gives no figure."""
    options = _options(words)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kinds: dict[str, type[Run]] = {"call": Calls, "event": Events, "idle": Idle}
    try:
        print(json.dumps(kinds[options.workload](options).measure()))
    except (Invalid, OSError) as exc:
        print(json.dumps({"ok": False, "error": str(exc)}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
