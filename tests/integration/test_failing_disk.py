"""A disk that fails: durable writes say so, all else goes on, and it recovers by itself."""

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.http.web import ask
from tests.integration.text_peer import PATIENCE_S, Frame, TextPeer, TextService
from tests.integration.work_load import LOG, everything_in_the_log, of_daemon
from tests.integration.writers import everything, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.faults]

SOURCE = Path(__file__).with_name("failing_disk.c")
COMPILER = shutil.which("cc")
TMPFS_BYTES = 2 * 1024 * 1024
LARGE = "x" * 200_000

needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="there is no C compiler (cc) to make a failing disk with"
)
needs_root = pytest.mark.skipif(
    "ASKR_ROOT_TESTS" not in os.environ,
    reason="mounts a small disk: run `make test-root` as root",
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("disk") / "failing_disk.so"
    words = [str(COMPILER), "-shared", "-fPIC", "-O2", "-o", str(made), str(SOURCE), "-ldl"]
    subprocess.run(words, check=True, timeout=60)
    return made


class Disk:
    """A daemon whose disk fails while it is told to."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.data = folder / "data"
        self._said = folder / "failing"
        self._environ = {"LD_PRELOAD": str(library), "FAILING_DISK": str(self._said)}

    def daemon(self) -> DaemonProcess:
        return DaemonProcess("--data", str(self.data), environ=self._environ)

    def fail(self, what: str, number: int) -> None:
        draft = self._said.with_suffix(".draft")
        draft.write_text(f"{what} {number}")
        draft.replace(self._said)

    def work(self) -> None:
        self._said.unlink()


def check_that_the_rest_goes_on(url: str) -> None:
    """Commands and events need no disk."""
    with TextService(url, "calm", {"run": lambda call: {"d": call["d"]}}):
        with TextPeer(url) as peer:
            assert peer.ask(k="sub", id=1, pattern="NEWS")["k"] == "subbed"
            assert peer.ask(k="call", id=2, to="calm.run", d=7)["d"] == 7
            peer.say(k="emit", event="NEWS", d=8)
            assert peer.hear_kind("event")["d"] == 8


class Work:
    """A queue, a log and a retained event at a daemon, and what they hold over a crash.

    Every piece of work is named, so that it can be told which of them are there.
    """

    QUEUE: ClassVar[dict[str, object]] = {"commands": [{"name": "run", "queue": True}]}

    def __init__(self, url: str) -> None:
        self._url = url

    def prepare(self) -> None:
        with TextService(self._url, "worker", {"run": lambda _: {"d": 0}}, **self.QUEUE):
            with TextPeer(self._url) as peer:
                of_daemon(peer, "logs.create", **LOG)

    def give(self, name: str) -> list[Frame]:
        """Gives a job, emits an event for the log, and one that is retained; returns the answers."""
        with TextPeer(self._url) as peer:
            return [
                peer.ask(k="call", id=1, to="worker.run", d=name),
                peer.ask(k="emit", id=2, event="NEWS.local", d=name),
                peer.ask(k="emit", id=3, event="LAST", d=name, retain=True),
            ]

    def check_refused(self, name: str, part: str) -> None:
        for told in self.give(name):
            seen = told["k"], told["code"], told["retryable"]
            assert seen == ("fail", "storage_unavailable", True)
            assert part in told["message"]

    def check_taken(self, name: str) -> None:
        assert [told["k"] for told in self.give(name)] == ["reply", "emitted", "emitted"]

    def check_holds(self, *names: str) -> None:
        """Checks that there is the work of these names, the last one retained, and no other."""
        with TextPeer(self._url) as peer:
            rows: Any = of_daemon(peer, "jobs.list")
            given = [of_daemon(peer, "jobs.show", id=row["id"]) for row in reversed(rows)]
            assert [row["request"] for row in given] == list(names)
            log: Any = of_daemon(peer, "logs.show", name="news")
            assert log["events"] == len(names)
            assert peer.ask(k="sub", id=2, pattern="LAST")["k"] == "subbed"
            assert peer.hear_kind("event")["d"] == names[-1]
        assert tuple(everything_in_the_log(self._url, len(names)).values()) == names


def check_integrity(data: Path) -> None:
    connection = sqlite3.connect(data / "askr.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


FAULTS = [
    ("sync", errno.EIO, "SQLITE_IOERR_FSYNC"),
    ("write", errno.EIO, "SQLITE_IOERR_WRITE"),
    ("write", errno.ENOSPC, "database or disk is full"),
]


@needs_compiler
@pytest.mark.parametrize(("what", "number", "part"), FAULTS)
def test_a_failing_disk_refuses_writes_alone_and_recovers_by_itself(
    tmp_path: Path, library: Path, what: str, number: int, part: str
) -> None:
    disk = Disk(tmp_path, library)
    with disk.daemon() as daemon:
        with TextPeer(daemon.unix_url) as peer:
            assert peer.ask(k="put", id=1, key="k", d="before")["k"] == "ok"
            disk.fail(what, number)
            for id_ in (2, 3):
                told = peer.ask(k="put", id=id_, key="k", d="refused")
                assert (told["k"], told["code"], told["retryable"]) == (
                    "fail",
                    "storage_unavailable",
                    True,
                )
                assert part in told["message"]
            assert peer.ask(k="get", id=4, key="k")["d"] == "before"
            check_that_the_rest_goes_on(daemon.unix_url)
            disk.work()
            assert peer.ask(k="put", id=5, key="k", d="after")["k"] == "ok"
            assert peer.ask(k="put", id=6, key="large", d=LARGE)["k"] == "ok"
        daemon.kill()
        log = daemon.log.read_text()
    assert log.count("store cannot write") == log.count("store writes again") == 1
    with disk.daemon() as daemon:
        assert everything(daemon.unix_url) == {"k": "after", "large": LARGE}
    check_integrity(disk.data)


@needs_compiler
@pytest.mark.parametrize(("what", "number", "part"), FAULTS)
def test_a_failing_disk_refuses_jobs_logged_and_retained_events_and_none_of_them_comes_back(
    tmp_path: Path, library: Path, what: str, number: int, part: str
) -> None:
    disk = Disk(tmp_path, library)
    with disk.daemon() as daemon:
        work = Work(daemon.unix_url)
        work.prepare()
        work.check_taken("before")
        disk.fail(what, number)
        work.check_refused("refused", part)
        check_that_the_rest_goes_on(daemon.unix_url)
        work.check_refused("refused again", part)
        disk.work()
        work.check_taken("after")
        work.check_holds("before", "after")
        daemon.kill()
    with disk.daemon() as daemon:
        Work(daemon.unix_url).check_holds("before", "after")
    check_integrity(disk.data)


@needs_compiler
def test_a_job_that_ends_while_the_disk_fails_is_done_once_the_disk_works(
    tmp_path: Path, library: Path
) -> None:
    """Its end is known in memory, and is written with the next record."""
    disk, ran = Disk(tmp_path, library), threading.Event()

    def run(_: Frame) -> Frame:
        disk.fail("sync", errno.EIO)
        ran.set()
        return {"d": "done"}

    with disk.daemon() as daemon:
        with TextService(daemon.unix_url, "worker", {"run": run}, **Work.QUEUE):
            with TextPeer(daemon.unix_url) as peer:
                job = peer.ask(k="call", id=1, to="worker.run", d=1)["d"]["job"]
                assert ran.wait(PATIENCE_S)
                wait_until(lambda: _state(peer, job) == "done")
                disk.work()
                told = peer.ask(k="emit", id=2, event="LAST", d=1, retain=True)
                assert told["k"] == "emitted"
        daemon.kill()
    with disk.daemon() as daemon, TextPeer(daemon.unix_url) as peer:
        assert _state(peer, job) == "done"


def _state(peer: TextPeer, job: str) -> str:
    row: Any = of_daemon(peer, "jobs.show", id=job)
    return str(row["state"])


@needs_compiler
@pytest.mark.parametrize("refused", [1, 3])
@pytest.mark.parametrize(("what", "number", "part"), FAULTS)
def test_what_a_failing_disk_refused_does_not_come_back_after_a_crash(
    tmp_path: Path, library: Path, what: str, number: int, part: str, refused: int
) -> None:
    disk = Disk(tmp_path, library)
    with disk.daemon() as daemon:
        with TextPeer(daemon.unix_url) as peer:
            assert peer.ask(k="put", id=1, key="k", d="kept")["k"] == "ok"
            disk.fail(what, number)
            for id_ in range(2, 2 + refused):
                told = peer.ask(k="put", id=id_, key=f"refused/{id_}", d=1)
                assert part in told["message"]
        daemon.kill()
        disk.work()
    with disk.daemon() as daemon:
        assert everything(daemon.unix_url) == {"k": "kept"}
    check_integrity(disk.data)


@needs_compiler
def test_a_disk_that_fails_at_the_start_stops_it_with_the_reason(
    tmp_path: Path, library: Path
) -> None:
    disk = Disk(tmp_path, library)
    disk.fail("sync", errno.EIO)
    with pytest.raises(RuntimeError, match=r"cannot use .*askr\.db"), disk.daemon():
        pass


@needs_compiler
def test_a_disk_that_fails_at_the_end_is_told_and_loses_nothing(
    tmp_path: Path, library: Path
) -> None:
    disk = Disk(tmp_path, library)
    with disk.daemon() as daemon:
        with TextPeer(daemon.unix_url) as peer:
            assert peer.ask(k="put", id=1, key="k", d="kept")["k"] == "ok"
        disk.fail("sync", errno.EIO)
        assert daemon.stop() == 0
        assert "store not closed well" in daemon.log.read_text()
        disk.work()
    with disk.daemon() as daemon:
        assert everything(daemon.unix_url) == {"k": "kept"}


@contextlib.contextmanager
def small_disk(where: Path) -> Iterator[Path]:
    where.mkdir()
    options = f"size={TMPFS_BYTES},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "askr-test", str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


@needs_compiler
def test_a_daemon_whose_disk_fails_is_not_ready_until_it_works_although_nobody_writes(
    tmp_path: Path, library: Path
) -> None:
    disk = Disk(tmp_path, library)
    with disk.daemon() as daemon:
        port = int(daemon.url.rpartition(":")[2])
        assert ask(port, "GET", "/readyz").status == 200
        disk.fail("write", errno.ENOSPC)
        with TextPeer(daemon.unix_url) as peer:
            assert peer.ask(k="put", id=1, key="k", d=1)["code"] == "storage_unavailable"
        told = ask(port, "GET", "/readyz")
        assert (told.status, told.json["reasons"][0]["check"]) == (503, "store")
        assert "database or disk is full" in told.json["reasons"][0]["message"]
        disk.work()
        wait_until(lambda: ask(port, "GET", "/readyz").status == 200)


@needs_root
def test_a_full_disk_refuses_writes_alone_and_recovers_by_itself(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as data:
        with DaemonProcess("--data", str(data)) as daemon:
            with TextPeer(daemon.unix_url) as peer:
                assert peer.ask(k="put", id=1, key="k", d="before")["k"] == "ok"
                ballast = data / "ballast"
                fill(ballast)
                told = peer.ask(k="put", id=2, key="large", d=LARGE)
                assert (told["k"], told["code"]) == ("fail", "storage_unavailable")
                check_that_the_rest_goes_on(daemon.unix_url)
                ballast.unlink()
                assert peer.ask(k="put", id=3, key="large", d=LARGE)["k"] == "ok"
            daemon.kill()
        with DaemonProcess("--data", str(data)) as daemon:
            assert everything(daemon.unix_url) == {"k": "before", "large": LARGE}
        check_integrity(data)


@needs_root
def test_a_full_disk_refuses_jobs_logged_and_retained_events_until_there_is_room(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk") as data:
        with DaemonProcess("--data", str(data)) as daemon:
            work = Work(daemon.unix_url)
            work.prepare()
            work.check_taken("before")
            fill(data / "ballast")
            large = f"refused {LARGE}"
            work.check_refused(large, "disk is full")
            check_that_the_rest_goes_on(daemon.unix_url)
            (data / "ballast").unlink()
            work.check_taken("after")
            daemon.kill()
        with DaemonProcess("--data", str(data)) as daemon:
            Work(daemon.unix_url).check_holds("before", "after")
        check_integrity(data)


@needs_root
def test_a_full_disk_stops_the_start_with_the_reason(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as data:
        fill(data / "ballast")
        with pytest.raises(RuntimeError, match="cannot use"), DaemonProcess("--data", str(data)):
            pass


def fill(file: Path) -> None:
    """Writes until nothing more fits."""
    with file.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)
    assert shutil.disk_usage(file.parent).free == 0
