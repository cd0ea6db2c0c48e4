"""A load of commands that go to many services in turn: `python -m bench.growth.spread`.

One caller keeps 64 commands in flight. The services stand on 16 connections whatever their number
is (a single one has 16 instances), so that only their number changes. It says one JSON line, like
every load generator here; as it is written in Python, only the daemon's microseconds say much.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence

from askrd.wire.frames import Coding, Kind
from bench.fallback import MARK, Calls, Invalid, Peer, encode

CONNECTIONS = 16
IN_FLIGHT = 64


class SpreadCalls(Calls):
    """One caller that asks every service in turn."""

    def start(self) -> None:
        self.started: dict[tuple[int, int], int] = {}
        count = self.options.services
        self.names = [b"many%d.run" % number for number in range(count)]
        for number in range(CONNECTIONS):
            callee = self.join(number)
            mine = {service for service in range(count) if service % CONNECTIONS == number}
            for id_, service in enumerate(mine or {number % count}, 1):
                body = b'{"service":"many%d","commands":[{"name":"run"}]}' % service
                callee.last_kind = 0
                self.ask(callee, encode(Kind.PROVIDE, id_, b"", Coding.JSON, body), Kind.PROVIDED)
        caller = self.join(0)
        for id_ in range(1, IN_FLIGHT + 1):
            self.call(caller, id_)

    def call(self, caller: Peer, id_: int) -> None:
        name = self.names[id_ % len(self.names)]
        caller.send(encode(Kind.CALL, id_, name, Coding.BYTES, MARK.pack(id_) + self.payload))
        self.waiting.add(caller)
        self.started[caller.number, id_] = time.perf_counter_ns()
        self.outstanding += 1


def main(words: Sequence[str] | None = None) -> int:
    """Runs, prints its line and returns 0, or 1 when it gives no figure."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth.spread", description=__doc__)
    parser.add_argument("--url", required=True)
    numbers = {"services": 1, "pid": 0, "payload": 128, "ms": 1000, "warm-up-ms": 250}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args(words)
    options.workload, options.in_flight = "spread", IN_FLIGHT
    try:
        print(json.dumps(SpreadCalls(options).measure()))
    except (Invalid, OSError) as exc:
        print(json.dumps({"ok": False, "error": str(exc)}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
