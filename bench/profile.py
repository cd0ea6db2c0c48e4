"""Where the daemon's time goes under load: `python -m bench.profile`.

With Linux perf the samples are split by whose code ran: the kernel, the interpreter, uvloop, ours
when compiled, the rest. Interpreted code of ours runs inside the interpreter, so its share cannot be
told from it by perf; py-spy, where it is installed, then names the functions. Without perf only the
kernel's share is known.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from askrd.version import BUILD
from bench import page
from bench.daemon import Daemon
from bench.generator import Generator, Sample, get_generator
from bench.machine import choose_cores, describe, describe_ours
from bench.report import amount, layout
from bench.workloads import WORKLOADS, Workload

NAMES = ("call-64", "call-64x1", "event-100", "event-100-single", "event-1m")
PARTS = ("kernel", "interpreter", "uvloop", "ours", "memory", "other")
WARM_UP_MS = 500
PERF_HZ, SPY_HZ = 997, 400
TOP = 8

COMPILED = frozenset(
    {"destinations", "header", "outbox", "router", "session", "statistics", "subscriptions"}
    | {"switchboard", "wheel", "workspace"}
)
"""Names of the extension modules that are ours."""


def whose(place: str, symbol: str = "") -> str:
    """Returns which part the object file ``place`` belongs to, as perf names it.

    Args:
        place: its base name, or `[kernel...]`.
        symbol: the function; memory copies stand apart because payloads cause them.
    """
    if "memmove" in symbol or "memcpy" in symbol:
        return "memory"
    if place.startswith("[") or place.endswith(".ko"):
        return "kernel"
    if place.startswith(("python", "libpython")):
        return "interpreter"
    if place.startswith(("loop.", "libuv")):
        return "uvloop"
    return "ours" if place.partition(".")[0] in COMPILED else "other"


def read_perf(text: str) -> dict[str, float]:
    """Returns percents by part from `perf report --sort dso,symbol --field-separator ;`."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(";")]
        if len(cells) >= 3 and not line.startswith("#"):
            part = whose(Path(cells[1]).name, cells[2])
            found[part] = found.get(part, 0) + float(cells[0].rstrip("%"))
    return found


class Profile:
    """One daemon under one load, looked at from outside while it runs."""

    def __init__(self, workload: Workload, generator: Generator, seconds: float) -> None:
        self.workload, self.generator, self.seconds = workload, generator, seconds
        self.sample: Sample = {}
        self.shares: dict[str, float] = {}
        self.functions: list[tuple[str, float]] = []

    def take(self) -> None:
        """Runs the load once for each tool there is."""
        cores = choose_cores()
        with Daemon(core=cores.daemon) as daemon, TemporaryDirectory() as folder:
            before = _used(daemon.pid)
            if shutil.which("perf"):
                data = str(Path(folder) / "perf.data")
                words = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(PERF_HZ), "-o", data]
                self._under_load(daemon, [*words, "-p", str(daemon.pid), "--", "sleep"])
                self.shares = read_perf(_report(data))
            else:
                self._under_load(daemon, [])
                user, system = (
                    new - old for new, old in zip(_used(daemon.pid), before, strict=True)
                )
                self.shares = {"kernel": 100 * system / ((user + system) or 1)}
            if spy := _spy():
                out = str(Path(folder) / "stacks")
                words = [spy, "record", "-r", str(SPY_HZ), "-f", "raw", "-o", out, "--nonblocking"]
                self._under_load(daemon, [*words, "-p", str(daemon.pid), "-d"], whole_seconds=True)
                self.functions = leaves(Path(out).read_text() if Path(out).exists() else "")

    def _under_load(self, daemon: Daemon, words: list[str], *, whole_seconds: bool = False) -> None:
        """Runs the load, and meanwhile ``words`` with the seconds they have."""
        tool_ms = int(self.seconds * 1000)
        load = [*self.workload.words, "--pid", str(daemon.pid), "--ms", str(tool_ms + 500)]
        load += ["--warm-up-ms", str(WARM_UP_MS)]
        runner = Thread(target=self._load, args=(daemon.tcp, load))
        runner.start()
        time.sleep(WARM_UP_MS / 1000)
        if words:
            length = str(round(self.seconds) if whole_seconds else self.seconds)
            subprocess.run([*words, length], capture_output=True, check=False, timeout=60)
        runner.join()

    def _load(self, url: str, words: list[str]) -> None:
        self.sample = self.generator.run(url, words, core=choose_cores().generator)


def _report(data: str) -> str:
    words = ["perf", "report", "-q", "-i", data, "--sort", "dso,symbol", "--stdio", "-g", "none"]
    done = subprocess.run(
        [*words, "--field-separator", ";"], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout


def _used(pid: int) -> tuple[int, int]:
    """Returns the ticks of user and system time of a process."""
    cells = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(cells[11]), int(cells[12])


def _spy() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy") or ""


def leaves(stacks: str) -> list[tuple[str, float]]:
    """Returns the functions of ours in which samples ended, with percents, largest first."""
    found: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        place = frames.rpartition(";")[2].partition(":")[0]
        found[f"{place})"] += int(count)
    total = found.total() or 1
    return [(name, 100 * count / total) for name, count in found.most_common(TOP)]


def table(profiles: Sequence[Profile]) -> str:
    """Returns the shares as text, in percent of the daemon's time."""
    lines: list[tuple[str, ...]] = [("workload", "us/op", *(f"{part} %" for part in PARTS))]
    for profile in profiles:
        us = profile.sample.get("daemon_us_per_op")
        cells = [f"{profile.shares[p]:.0f}" if p in profile.shares else "" for p in PARTS]
        lines.append((profile.workload.name, amount(us if isinstance(us, float) else None), *cells))
    return layout(lines, left={0})


def functions(profiles: Sequence[Profile]) -> str:
    """Returns the functions in which interpreted code spent its time."""
    blocks = []
    for profile in profiles:
        lines = [(f"{share:5.1f} %", name) for name, share in profile.functions]
        blocks.append(f"{profile.workload.name}\n{layout(lines, left={1})}" if lines else "")
    return "\n\n".join(filter(None, blocks))


def main(words: Sequence[str] | None = None) -> int:
    """Profiles and prints; returns 0, or 1 when a load failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each tool and workload")
    parser.add_argument("--only", action="append", choices=NAMES, help="one row; repeat for more")
    parser.add_argument("--write", action="store_true", help="into docs/performance/profile.md")
    arguments = parser.parse_args(words)
    machine = describe(choose_cores()) | {"askrd": describe_ours(), "build": BUILD}
    generator = get_generator()
    wanted = [w for w in WORKLOADS if w.name in (arguments.only or NAMES)]
    profiles = [Profile(workload, generator, arguments.seconds) for workload in wanted]
    for profile in profiles:
        profile.take()
        if not profile.sample["ok"]:
            print(f"bench.profile: {profile.sample['error']}", file=sys.stderr)
            return 1
    text = table(profiles)
    named = functions(profiles)
    if arguments.write:
        figures = [page.machine_line(machine), page.block(text)]
        figures += ["Where interpreted code was (py-spy):", page.block(named)] if named else []
        page.put_figures(page.FOLDER / "profile.md", "\n\n".join(figures))
    if arguments.json:
        rows = [
            {"name": p.workload.name, "shares": p.shares, "functions": p.functions, **p.sample}
            for p in profiles
        ]
        print(json.dumps({"machine": machine, "rows": rows}))
    else:
        print(f"{text}\n\n{named}".rstrip())
    return 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    sys.exit(main())
