"""The load generator as a program to run: the C one, built on demand, or the Python one instead."""

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
SOURCES = (FOLDER / "loadgen.c", FOLDER / "peer.h", FOLDER / "frames.h")
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra")
COMPILERS = ("cc", "gcc", "clang")
BUILD_SECONDS = 120
RUN_SECONDS_MAX = 120.0

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

    def run(self, url: str, words: Sequence[str], *, core: int | None = None) -> Sample:
        """Runs one workload against ``url`` and returns its sample, a failed one included.

        Args:
            url: ``tcp://host:port`` or ``unix:path``.
            words: sub-command and options.
            core: core to run on, if any.
        """
        command = [*self.words, "--url", url, *words]
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
    compiler = os.environ.get("CC") or next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        return _python("there is no C compiler (cc, gcc or clang)")
    return _build(compiler)


def _build(compiler: str) -> Generator:
    text = "\0".join((compiler, *FLAGS, *(source.read_text() for source in SOURCES)))
    program = CACHE / f"loadgen-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        words = [*compiler.split(), *FLAGS, "-o", str(fresh), str(SOURCES[0])]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            return _python(f"{compiler} could not be run: {exc}")
        if done.returncode:
            first = next(iter(done.stderr.strip().splitlines()), "no message")
            return _python(f"{compiler} refused the generator: {first}")
        for outdated in CACHE.glob("loadgen-????????????"):
            outdated.unlink(missing_ok=True)
        fresh.replace(program)
    return Generator((str(program),), "C")


def _python(reason: str) -> Generator:
    words = (sys.executable, "-m", "bench.fallback")
    return Generator(
        words, "Python", f"Python generator, so figures may be its own limit: {reason}"
    )
