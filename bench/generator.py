"""The load generator and the floor as programs to run: built on demand from C, or replaced by Python."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import pinned

FOLDER = Path(__file__).resolve().parent
CACHE = FOLDER.parent / "build" / "bench"
LOADGEN_SOURCES = (
    FOLDER / "loadgen.c",
    *sorted((FOLDER / "loadgen").glob("*.[ch]")),
    FOLDER / "peer.h",
    FOLDER / "frames.h",
)
FLOOR_SOURCES = (FOLDER / "floor.c", FOLDER / "groups.h", FOLDER / "frames.h")
PROTOCOLS = ("askr", "askr-ws", "nats", "redis", "mqtt", "wamp")
"""What the C generator speaks; the Python one speaks the first only."""
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra")
COMPILERS = ("cc", "gcc", "clang")
BUILD_SECONDS = 120
RUN_SECONDS_MAX = 120.0


class Unavailable(Exception):
    """A program cannot be had on this machine; the text says why."""


Sample = dict[str, object]
"""What one run of the generator printed: figures, or ``ok`` false and ``error``."""


@dataclass(frozen=True, slots=True)
class Generator:
    """A load generator that can be run.

    Attributes:
        words: the command line that starts it.
        language: ``C`` or ``Python``.
        note: why it is not the C one, or empty.
    """

    words: tuple[str, ...]
    language: str
    note: str = ""

    def why_not(self, protocol: str) -> str:
        """Returns why this generator cannot speak ``protocol``, or the empty string when it can.

        Args:
            protocol: one of ``PROTOCOLS``; any other name is a reason, too.
        """
        if protocol not in PROTOCOLS:
            return f"the generator speaks {', '.join(PROTOCOLS)}, not {protocol}"
        if self.language != "C" and protocol != PROTOCOLS[0]:
            return f"only the C generator speaks {protocol}, and there is none: {self.note}"
        return ""

    def run(
        self,
        url: str,
        words: Sequence[str],
        *,
        core: int | None = None,
        protocol: str = PROTOCOLS[0],
    ) -> Sample:
        """Runs one workload against ``url`` and returns its sample, a failed one included.

        Args:
            url: ``tcp://host:port``, ``ws://host:port/`` or ``unix:path``.
            words: sub-command and options.
            core: core to run on, if any.
            protocol: one of ``PROTOCOLS``.
        """
        if reason := self.why_not(protocol):
            return _failed(reason)
        spoken = () if protocol == PROTOCOLS[0] else ("--protocol", protocol)
        command = [*self.words, *spoken, "--url", url, *words]
        try:
            with pinned(core):
                done = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    timeout=RUN_SECONDS_MAX,
                    check=False,
                    cwd=FOLDER.parent,
                )
        except subprocess.TimeoutExpired:
            return _failed(f"the generator did not end within {RUN_SECONDS_MAX:.0f} s")
        lines = done.stdout.strip().splitlines()
        if not lines:
            return _failed(f"the generator said nothing (exit {done.returncode}): {done.stderr}")
        return dict(json.loads(lines[-1]))


def _failed(error: str) -> Sample:
    return {"ok": False, "error": error}


def get_generator(*, python_only: bool = False) -> Generator:
    """Returns the C generator, built if necessary, or the Python one with the reason."""
    if python_only:
        return _python("asked for with --python-generator")
    try:
        return Generator((str(_build("loadgen", LOADGEN_SOURCES)),), "C")
    except Unavailable as exc:
        return _python(str(exc))


def get_floor() -> Path:
    """Returns the floor, built if necessary: the least that a relay on this machine costs.

    Raises:
        Unavailable: there is no C compiler, or it refused the program.
    """
    return _build("floor", FLOOR_SOURCES)


def _build(name: str, sources: Sequence[Path]) -> Path:
    compiler = os.environ.get("CC") or next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        raise Unavailable("there is no C compiler (cc, gcc or clang)")
    text = "\0".join((compiler, *FLAGS, *(source.read_text() for source in sources)))
    program = CACHE / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        _compile(compiler, name, sources, fresh)
        for outdated in CACHE.glob(f"{name}-????????????"):
            outdated.unlink(missing_ok=True)
        fresh.replace(program)
    return program


def _compile(compiler: str, name: str, sources: Sequence[Path], program: Path) -> None:
    units = [str(source) for source in sources if source.suffix == ".c"]
    words = [*compiler.split(), *FLAGS, "-o", str(program), *units]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Unavailable(f"{compiler} could not be run: {exc}") from exc
    if done.returncode:
        first = next(iter(done.stderr.strip().splitlines()), "no message")
        raise Unavailable(f"{compiler} refused {name}.c: {first}")


def _python(reason: str) -> Generator:
    words = (sys.executable, "-m", "bench.fallback")
    return Generator(
        words, "Python", f"Python generator, so figures may be its own limit: {reason}"
    )
