"""Jobs and logged events that were answered are there after kills, and none comes back once it is done."""

import contextlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.test_durability import askrd
from tests.integration.text_peer import Frame, TextPeer, TextService
from tests.integration.work_load import (
    LOG,
    PATIENCE_S,
    Consumer,
    Emitter,
    Giver,
    everything_in_the_log,
    going_on,
    of_daemon,
)
from tests.integration.writers import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.timeout(180)]

KILLS = 10
QUEUE = {"commands": [{"name": "run", "queue": True, "concurrency": 4}]}


def durable(data: Path) -> DaemonProcess:
    return DaemonProcess("--data", str(data), "--log-level", "warning")


class Shop:
    """A worker, and an onlooker who hears which jobs have ended, over several lives of the daemon.

    Attributes:
        runs: what each job was called with, by its id; every run in its order.
        ended: what was told of the end of each job.
        repeated: jobs that were run although their end had been told in an earlier life.
    """

    def __init__(self) -> None:
        self.runs: dict[str, list[str]] = {}
        self.ended: dict[str, dict[str, Any]] = {}
        self.repeated: list[str] = []
        self._settled: frozenset[str] = frozenset()

    @contextlib.contextmanager
    def open(self, url: str) -> Any:
        """Works while the block lasts."""
        self._settled = frozenset(self.ended)
        onlooker = TextPeer(url, name="onlooker")
        assert onlooker.ask(k="sub", id=1, pattern="$askr.job.ended")["k"] == "subbed"
        onlooker.socket.settimeout(None)
        looking = threading.Thread(target=self._look, args=(onlooker,))
        looking.start()
        worker = TextService(url, "worker", {"run": self._run}, **QUEUE)
        try:
            yield
        finally:
            worker.drop()
            with contextlib.suppress(OSError):
                onlooker.say(k="bye")
            looking.join(PATIENCE_S)
            onlooker.drop()

    def _run(self, call: Frame) -> Frame:
        job = call["job"]
        if job in self._settled:
            self.repeated.append(job)
        self.runs.setdefault(job, []).append(call["d"])
        return {"d": call["d"]}

    def _look(self, onlooker: TextPeer) -> None:
        with contextlib.suppress(OSError, ConnectionError, ValueError):
            while True:
                row = onlooker.hear_kind("event")["d"]
                self.ended[row["id"]] = row


def test_kills_under_load_lose_no_job_that_was_accepted_and_repeat_none_that_ended(
    tmp_path: Path,
) -> None:
    data, shop = tmp_path / "data", Shop()
    givers = [Giver(f"g{number}") for number in range(3)]

    def accepted() -> dict[str, str]:
        return {job: given for one in givers for job, given in list(one.accepted.items())}

    for kill in range(KILLS):
        with durable(data) as daemon, shop.open(daemon.unix_url):
            enough = len(accepted()) + 60 + 17 * kill, len(shop.ended) + 20 + 7 * kill
            with going_on(daemon.unix_url, {one.name: one.turn for one in givers}):
                wait_until(
                    lambda enough=enough: (
                        len(accepted()) >= enough[0] and len(shop.ended) >= enough[1]
                    )
                )
                daemon.kill()
    owed = accepted()
    with durable(data) as daemon, shop.open(daemon.unix_url), TextPeer(daemon.unix_url) as peer:
        for state in ("queued", "running"):
            wait_until(lambda state=state: not of_daemon(peer, "jobs.list", state=state))
        for job, given in owed.items():
            row: Any = of_daemon(peer, "jobs.show", id=job)
            assert (row["state"], row["value"]) == ("done", given), row
            assert set(shop.runs[job]) == {given}
        for state in ("dead", "failed", "cancelled"):
            assert of_daemon(peer, "jobs.list", state=state) == []
    assert shop.repeated == []
    assert {row["state"] for row in shop.ended.values()} == {"done"}


def test_kills_under_load_lose_no_event_that_was_answered_and_repeat_none_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    data, consumer = tmp_path / "data", Consumer()
    emitters = [Emitter(f"e{number}") for number in range(3)]

    def answered() -> int:
        return sum(len(one.answered) for one in emitters)

    for kill in range(KILLS):
        with durable(data) as daemon:
            if kill == 0:
                with TextPeer(daemon.unix_url) as peer:
                    of_daemon(peer, "logs.create", **LOG)
            reading = threading.Thread(target=consumer.follow, args=(daemon.unix_url,))
            reading.start()
            enough = answered() + 80 + 13 * kill, len(consumer.settled) + 30 + 11 * kill
            with going_on(daemon.unix_url, {one.name: one.turn for one in emitters}):
                wait_until(
                    lambda enough=enough: (
                        answered() >= enough[0] and len(consumer.settled) >= enough[1]
                    )
                )
                daemon.kill()
            reading.join(PATIENCE_S)
    with durable(data) as daemon:
        with TextPeer(daemon.unix_url) as peer:
            row: Any = of_daemon(peer, "logs.show", name="news")
        there = everything_in_the_log(daemon.unix_url, row["events"])
        with TextPeer(daemon.unix_url, name="consumer") as peer:
            consumer.read(peer, lambda: len(consumer.delivered) >= row["events"])
    assert list(there) == list(range(1, row["events"] + 1))
    assert len(set(there.values())) == len(there)
    assert {payload for one in emitters for payload in one.answered} <= set(there.values())
    for one in emitters:
        order = [payload for payload in there.values() if payload.startswith(f"{one.name}/")]
        assert order == sorted(order, key=lambda payload: int(payload.partition("/")[2]))
    assert consumer.delivered == there
    assert consumer.repeated == []


def test_a_queue_and_its_jobs_outlive_the_daemon_without_their_service(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with durable(data) as daemon:
        with TextService(daemon.unix_url, "worker", {"run": lambda _: {"d": 0}}, **QUEUE):
            pass
        with TextPeer(daemon.unix_url) as peer:
            first = peer.ask(k="call", id=1, to="worker.run", d="first")["d"]["job"]
        daemon.kill()
    with durable(data) as daemon, TextPeer(daemon.unix_url) as peer:
        second = peer.ask(k="call", id=1, to="worker.run", d="second")["d"]["job"]
        assert int(second) > int(first)
        shop = Shop()
        with shop.open(daemon.unix_url):
            wait_until(lambda: len(shop.ended) == 2)
        assert shop.runs == {first: ["first"], second: ["second"]}


def test_a_backup_carries_jobs_logs_and_retained_events(tmp_path: Path) -> None:
    data, file, new = tmp_path / "data", tmp_path / "backup", tmp_path / "new"
    with durable(data) as daemon:
        with TextService(daemon.unix_url, "worker", {"run": lambda _: {"d": 0}}, **QUEUE):
            pass
        with TextPeer(daemon.unix_url) as peer:
            of_daemon(peer, "logs.create", **LOG)
            peer.ask(k="emit", id=1, event="NEWS.one", d="before")
            peer.ask(k="emit", id=1, event="LAST", d="before", retain=True)
            job = peer.ask(k="call", id=1, to="worker.run", d="before")["d"]["job"]
            told = json.loads(askrd("backup", str(file), "--data", str(data), "--json").stdout)
            assert (told["ok"], told["entries"]) == (True, 0)
            assert told["records"] >= 5  # a log, its event, a retained one, a queue, a job
            peer.ask(k="emit", id=1, event="NEWS.one", d="after")
            peer.ask(k="emit", id=1, event="LAST", d="after", retain=True)
            peer.ask(k="call", id=1, to="worker.run", d="after")
    assert askrd("restore", str(file), "--data", str(new)).returncode == 0
    with durable(new) as daemon:
        with TextPeer(daemon.unix_url) as peer:
            rows: Any = of_daemon(peer, "jobs.list")
            assert [row["id"] for row in rows] == [job]
            assert peer.ask(k="sub", id=2, pattern="LAST")["k"] == "subbed"
            assert peer.hear_kind("event")["d"] == "before"
            row: Any = of_daemon(peer, "logs.show", name="news")
            assert row["events"] == 1
        assert everything_in_the_log(daemon.unix_url, 1) == {1: "before"}
