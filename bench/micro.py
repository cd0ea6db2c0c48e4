"""Times the pure parts alone, `python -m bench.micro`: no socket, no loop, no second process."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import STAMP_TIME, Coding, Frame, Kind
from askrd.wire.limits import DEFAULT_LIMITS
from askrd.wire.text import decode_text, encode_text
from bench.machine import choose_cores, describe, describe_ours, pinned
from bench.report import layout
from bench.router_works import BATCH, PAYLOAD, router_works

HEADINGS = ("what", "ns", "min..max")

Work = Callable[[], tuple[int, int]]
"""Does something some number of times; returns that number and the nanoseconds it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one operation takes.

    Attributes:
        name: stable id.
        title: what a reader of the table sees.
        ns: nanoseconds per operation, median of the rounds.
        low: fastest round.
        high: slowest round.
        rounds: how many there were.
    """

    name: str
    title: str
    ns: float
    low: float
    high: float
    rounds: int


def time_work(name: str, title: str, work: Work, *, rounds: int, round_ms: int) -> Timing:
    """Times ``work`` in ``rounds`` rounds of about ``round_ms`` milliseconds each."""
    work()
    found = [_one_round(work, round_ms) for _ in range(rounds)]
    return Timing(
        name=name,
        title=title,
        ns=round(median(found), 1),
        low=round(min(found), 1),
        high=round(max(found), 1),
        rounds=rounds,
    )


def _one_round(work: Work, round_ms: int) -> float:
    count = taken_ns = 0
    while taken_ns < round_ms * 1_000_000:
        more, more_ns = work()
        count += more
        taken_ns += more_ns
    return taken_ns / count


def codec_works() -> Iterator[tuple[str, str, Work]]:
    """Yields the codec's works: name, title, and what to time."""
    call = Frame(kind=Kind.CALL, id=7, name=b"echo.run", payload=PAYLOAD, coding=Coding.JSON)
    data = encode(call)
    stamp = STAMP_TIME.pack(1_700_000_000_000_000) + b"bench@abcdef"
    event = Frame(
        kind=Kind.EVENT, id=7, name=b"bench.event", payload=PAYLOAD, coding=Coding.JSON, stamp=stamp
    )
    line = b'{"k":"call","id":7,"to":"echo.run","d":' + PAYLOAD + b"}"
    batch = data * BATCH
    assembly = Assembly(DEFAULT_LIMITS.frame_bytes_max)
    yield "encode", "codec: frame to bytes", _repeated(lambda: encode(call))
    yield "decode", "codec: bytes to frame", _repeated(lambda: decode(data))
    yield (
        "split",
        f"codec: one frame of {BATCH} cut out of a read",
        _timed(lambda: len(split(assembly, batch))),
    )
    yield "text-in", "codec: text frame in", _repeated(lambda: decode_text(line))
    yield "text-out", "codec: text event out", _repeated(lambda: encode_text(event))


def _timed(once: Callable[[], int]) -> Work:
    def work() -> tuple[int, int]:
        started = time.perf_counter_ns()
        count = once()
        return count, time.perf_counter_ns() - started

    return work


def _repeated(once: Callable[[], object]) -> Work:
    def loop() -> int:
        for _ in range(BATCH):
            once()
        return BATCH

    return _timed(loop)


def measure(*, rounds: int, round_ms: int) -> list[Timing]:
    """Times everything on one core and returns the rows."""
    works: list[tuple[str, str, Work]] = [*router_works(), *codec_works()]
    with pinned(choose_cores().daemon):
        return [
            time_work(name, title, work, rounds=rounds, round_ms=round_ms)
            for name, title, work in works
        ]


def table(timings: Sequence[Timing]) -> str:
    """Returns the rows as text."""
    lines = [(row.title, f"{row.ns:.0f}", f"{row.low:.0f}..{row.high:.0f}") for row in timings]
    return layout([HEADINGS, *lines], left={0})


def main(words: Sequence[str] | None = None) -> int:
    """Measures and prints; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.micro", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="short rounds: a look, no figure")
    arguments = parser.parse_args(words)
    timings = measure(rounds=3 if arguments.quick else 7, round_ms=30 if arguments.quick else 200)
    if arguments.json:
        rows = [asdict(timing) for timing in timings]
        machine = describe(choose_cores()) | {"askrd": describe_ours()}
        print(json.dumps({"machine": machine, "rows": rows}))
    else:
        print(table(timings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
