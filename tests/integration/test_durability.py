"""What was answered is there: after kills, beside a backup, after a restore, at a hundred thousand."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from askrd.core.commits import RESTART_REVS
from askrd.core.effects import Persist
from askrd.core.state import Entry
from askrd.store.data_directory import DataDirectory
from askrd.store.database import REV_GAP, Database
from askrd.testing.daemon_process import DaemonProcess
from tests.integration.text_peer import TextPeer
from tests.integration.writers import Writer, everything, wait_until, writing

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.timeout(180)]

KILLS = 20
WRITERS = 4
KEYS = 100_000


def askrd(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("ASKRD_")}
    return subprocess.run(
        [sys.executable, "-m", "askrd", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def durable(data: Path) -> DaemonProcess:
    return DaemonProcess("--data", str(data), "--log-level", "warning")


def check_integrity(data: Path, scratch: Path) -> None:
    """Checks copies of the files as a crash left them."""
    scratch.mkdir()
    for file in data.glob("askr.db*"):
        shutil.copy(file, scratch)
    connection = sqlite3.connect(scratch / "askr.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_twenty_kills_under_load_lose_nothing_that_was_answered(tmp_path: Path) -> None:
    data = tmp_path / "data"
    writers = [Writer(f"w{number}") for number in range(WRITERS)]
    for kill in range(KILLS):
        with durable(data) as daemon:
            there = everything(daemon.unix_url)
            for writer in writers:
                writer.settle(there)
            before = sum(writer.count for writer in writers)
            with writing(writers, daemon.unix_url):
                enough = before + 200 + 31 * kill
                wait_until(lambda enough=enough: sum(w.count for w in writers) > enough)
                daemon.kill()
        check_integrity(data, tmp_path / f"after-{kill}")
    with durable(data) as daemon:
        there = everything(daemon.unix_url)
        for writer in writers:
            writer.settle(there)
        owed = {key: value for w in writers for key, value in w.answered.items() if value}
        assert there == owed


def test_state_and_revisions_outlive_a_stop_and_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    revs = []
    for stop in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        with durable(data) as daemon:
            with TextPeer(daemon.unix_url) as peer:
                revs.append(peer.ask(k="put", id=1, key="count", d=len(revs))["rev"])
                assert peer.ask(k="get", id=2, key="count")["d"] == len(revs) - 1
            daemon.stop(stop)
    assert revs == [1, 2 + RESTART_REVS, 3 + 2 * RESTART_REVS + REV_GAP]


def test_the_daemon_keeps_its_id_and_says_where_state_is(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ids = []
    for _ in range(2):
        with durable(data) as daemon:
            assert daemon.ready["data"] == str(data)
            record = json.loads((daemon.directory / "askrd.json").read_text())
            ids.append(record["daemon"])
    assert ids[0] == ids[1]


def test_a_hundred_thousand_keys_are_there_at_the_start(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    data = tmp_path / "data"
    with DataDirectory(data) as directory:
        database = Database(directory)
        database.write(
            [
                Persist(rev, "askr", f"key/{rev:06}", Entry(b'{"number":%d}' % rev, 1, rev, 1), rev)
                for rev in range(1, KEYS + 1)
            ]
        )
        database.close()
    started_s = time.monotonic()
    with durable(data) as daemon:
        took_s = time.monotonic() - started_s
        record_property("ready_s", round(took_s, 3))
        print(f"ready with {KEYS} keys in {took_s:.2f} s")
        with TextPeer(daemon.unix_url) as peer:
            assert peer.ask(k="get", id=1, key=f"key/{KEYS:06}")["d"] == {"number": KEYS}
            assert peer.ask(k="put", id=2, key="key/000001", d=0)["rev"] == KEYS + RESTART_REVS + 1


def test_a_second_daemon_on_the_same_directory_is_refused_and_told_the_first(
    tmp_path: Path,
) -> None:
    with durable(tmp_path / "data") as daemon:
        told = askrd("serve", "--data", str(tmp_path / "data"), "--listen", "ws://127.0.0.1:0")
        assert (told.returncode, told.stdout) == (1, "")
        assert f"in use by process {daemon.pid}" in told.stderr
        with TextPeer(daemon.unix_url) as peer:
            assert peer.ask(k="put", id=1, key="k", d=1)["k"] == "ok"


def test_a_database_of_a_later_version_stops_the_start(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as directory:
        Database(directory).close()
    connection = sqlite3.connect(tmp_path / "askr.db")
    connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    connection.commit()
    connection.close()
    told = askrd("serve", "--json", "--data", str(tmp_path), "--listen", "ws://127.0.0.1:0")
    assert told.returncode == 1
    error = json.loads(told.stdout)["error"]
    assert error["code"] == "storage_unavailable"
    assert "it has version 99 and this askrd knows" in error["message"]


def test_a_backup_of_a_busy_daemon_can_be_restored(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "backup"
    writers = [Writer(f"w{number}") for number in range(WRITERS)]
    with durable(data) as daemon, writing(writers, daemon.unix_url):
        wait_until(lambda: all(writer.count > 100 for writer in writers))
        owed = {key: value for w in writers for key, value in list(w.answered.items())}
        told = askrd("backup", str(file), "--data", str(data), "--json")
        assert told.returncode == 0, told.stderr
        busy = askrd("restore", str(file), "--data", str(data), "--force")
        assert (busy.returncode, busy.stdout) == (1, "")
        assert f"in use by process {daemon.pid}" in busy.stderr
    told = askrd("restore", str(file), "--data", str(tmp_path / "new"))
    assert told.returncode == 0, told.stderr
    with durable(tmp_path / "new") as daemon:
        there = everything(daemon.unix_url)
    for key, value in owed.items():
        found = there.get(key)
        if value is None or found is None:
            continue  # deleted once in ten turns, so its absence tells nothing
        assert (found["key"], found["turn"] >= value["turn"]) == (key, True)
    assert len(there) >= WRITERS


def test_backup_and_restore_by_hand(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "backup"
    with durable(data) as daemon, TextPeer(daemon.unix_url) as peer:
        peer.ask(k="put", id=1, key="k", d="before")
        done = askrd("backup", str(file), "--data", str(data))
        assert done.stdout.startswith("backed up: 1 entry, ")
        peer.ask(k="put", id=2, key="k", d="after")
    refused = askrd("restore", str(file), "--data", str(data), "--json")
    assert refused.returncode == 1
    assert "--force" in json.loads(refused.stdout)["error"]["message"]
    done = askrd("restore", str(file), "--data", str(data), "--force")
    assert f"the former state is kept as {data}/askr.db.replaced" in done.stdout
    with durable(data) as daemon:
        assert everything(daemon.unix_url) == {"k": "before"}


def test_backup_without_a_data_directory_is_refused(tmp_path: Path) -> None:
    told = askrd("backup", str(tmp_path / "backup"))
    assert told.returncode == 2
    assert told.stderr == (
        "askrd: no data directory is set, so there is nothing to copy. Name it: --data\n"
    )


def test_time_to_live_goes_on_over_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with durable(data) as daemon:
        with TextPeer(daemon.unix_url) as peer:
            assert peer.ask(k="put", id=1, key="soon", d=1, ttl=50)["k"] == "ok"
            assert peer.ask(k="put", id=2, key="late", d=2, ttl=3_600_000)["k"] == "ok"
            assert peer.ask(k="put", id=3, key="ever", d=3)["k"] == "ok"
        daemon.kill()
    with durable(data) as daemon:
        wait_until(lambda: set(everything(daemon.unix_url)) == {"late", "ever"})
        with TextPeer(daemon.unix_url) as peer:
            assert 0 < peer.ask(k="get", id=1, key="late")["ttl"] <= 3_600_000
            assert "ttl" not in peer.ask(k="get", id=2, key="ever")
    kept = sqlite3.connect(data / "askr.db")
    assert kept.execute("SELECT key FROM entries ORDER BY key").fetchall() == [
        ("ever",),
        ("late",),
    ]
    kept.close()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL], ids=["stop", "kill"])
def test_ephemeral_entries_do_not_come_back(tmp_path: Path, stop: signal.Signals) -> None:
    data = tmp_path / "data"
    with durable(data) as daemon:
        with TextPeer(daemon.unix_url) as peer:
            for id_, frame in enumerate(
                [
                    {"key": "mine", "ephemeral": True},
                    {"key": "turned"},
                    {"key": "turned", "ephemeral": True},
                    {"key": "ordinary"},
                ],
                start=1,
            ):
                assert peer.ask(k="put", id=id_, d=id_, **frame)["k"] == "ok"
            assert set(everything(daemon.unix_url)) == {"mine", "turned", "ordinary"}
            daemon.stop(stop)
    with durable(data) as daemon:
        assert everything(daemon.unix_url) == {"ordinary": 4}


def test_fast_writes_are_there_after_a_stop(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with durable(data) as daemon:
        with TextPeer(daemon.unix_url) as peer:
            for id_ in range(1, 501):
                told = peer.ask(k="put", id=id_, key=f"k/{id_}", d=id_, fast=True)
                assert told["k"] == "ok", told
        assert daemon.stop() == 0
    with durable(data) as daemon:
        assert everything(daemon.unix_url) == {f"k/{id_}": id_ for id_ in range(1, 501)}


def test_revisions_are_never_given_twice_over_a_kill(tmp_path: Path) -> None:
    """Also not those of fast writes that the disk never saw."""
    data = tmp_path / "data"
    given: list[int] = []
    for _ in range(3):
        with durable(data) as daemon:
            with TextPeer(daemon.unix_url) as peer:
                for id_ in range(1, 51):
                    told = peer.ask(k="put", id=id_, key="k", d=len(given), fast=id_ % 2 == 0)
                    given.append(told["rev"])
                daemon.kill()
    assert given == sorted(set(given))
