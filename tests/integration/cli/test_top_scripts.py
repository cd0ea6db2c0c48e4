"""`askr top` as scripts use it: one snapshot, or one JSON line per look."""

import json
import signal

import pytest

from askrd.testing import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextService

pytestmark = pytest.mark.integration

MEMBERS = {"daemon", "totals", "commands", "events", "peers", "queues"}


def test_one_snapshot_has_the_daemons_counters(askr: Askr, service: TextService) -> None:
    assert askr("send", "lab.echo", "1").code == 0
    snapshot = askr("top", "--once", "--json").json
    assert set(snapshot) >= MEMBERS
    counted = next(row for row in snapshot["commands"] if row["name"] == "lab.echo")
    assert counted["calls"] >= 1
    assert {"top", "lab"} <= {row["name"] for row in snapshot["peers"]}


def test_one_snapshot_for_people_is_plain_text(askr: Askr, service: TextService) -> None:
    shown = askr("top", "--once")
    assert shown.code == 0
    assert "COMMANDS" in shown.out
    assert "askr-lab-" in shown.out
    assert "\x1b" not in shown.out


def test_json_alone_is_one_line_per_look_until_it_is_stopped(askr: Askr) -> None:
    with askr.running("top", "--json", "--interval", "100ms") as run:
        looks = [json.loads(run.line()) for _ in range(3)]
        ended = run.stop(signal.SIGTERM)
    assert ended.code == 143
    assert all(set(look) >= MEMBERS for look in looks)
    times = [look["daemon"]["uptime_ms"] for look in looks]
    assert times == sorted(times)


def test_json_lines_go_on_after_a_restart_of_the_daemon(askr: Askr) -> None:
    with DaemonProcess() as daemon:
        words = ("--url", daemon.unix_url, "top", "--json", "--interval", "100ms")
        with askr.running(*words) as run:
            epoch = json.loads(run.line())["daemon"]["epoch"]
            daemon.kill()
            daemon.start()
            while json.loads(run.line())["daemon"]["epoch"] == epoch:
                pass
            assert run.stop(signal.SIGINT).code == 130


@pytest.mark.parametrize(
    ("words", "hint"),
    [((), "--once"), (("--interval", "5ms"), "too short"), (("--interval", "x"), "duration")],
)
def test_what_cannot_be_shown_exits_with_2(askr: Askr, words: tuple[str, ...], hint: str) -> None:
    refused = askr("top", *words)
    assert refused.code == 2
    assert hint in refused.err


def test_without_a_daemon_it_exits_with_7(askr: Askr) -> None:
    failed = askr("top", "--once", "--json", "--url", "unix:/nonexistent/askrd.sock")
    assert failed.code == 7
    assert failed.json["error"]["code"] == "unavailable"
