"""Black box: `askr services peers describe ping`."""

from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer, TextService

pytestmark = pytest.mark.integration

SCHEMA = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "description": "where to begin"},
        "depth": {"type": "integer", "minimum": 1, "maximum": 5, "default": 1},
    },
    "required": ["url"],
}
CRAWL = {
    "name": "crawl",
    "doc": "Reads pages.",
    "request": SCHEMA,
    "response": {"type": "array", "items": {"type": "string"}},
    "timeout_ms": 5_000,
}
BODY = {
    "commands": [CRAWL],
    "version": "1.2.3",
    "doc": "Walks the web.",
    "tags": {"zone": "eu"},
    "emits": [{"event": "CRAWLED", "doc": "A page was read."}],
    "listens": ["go.*"],
}


@pytest.fixture
def spider(daemon: DaemonProcess):
    with TextService(daemon.unix_url, "spider", {"crawl": lambda call: {}}, **BODY) as made:
        yield made


def test_services_are_rows(askr: Askr, spider: TextService) -> None:
    told = askr("services", "--json")
    (row,) = [row for row in told.json if row["service"] == "spider"]
    assert set(row) == {
        "service", "instance", "version", "state", "commands", "emits", "listens", "tags",
        "inflight",
    }  # fmt: skip
    assert (row["instance"], row["version"]) == (spider.instance, "1.2.3")
    assert (row["state"], row["tags"], row["inflight"]) == ("active", {"zone": "eu"}, 0)


def test_services_are_a_table_for_people(askr: Askr, spider: TextService) -> None:
    head, *rows = askr("services").out.splitlines()
    assert head.split()[:4] == ["SERVICE", "INSTANCE", "STATE", "VERSION"]
    (row,) = [row for row in rows if row.startswith("spider ")]
    assert row.split() == ["spider", spider.instance, "active", "1.2.3", "0", "crawl", "CRAWLED"]


def test_peers_are_rows(askr: Askr, spider: TextService) -> None:
    rows = askr("peers", "--json").json
    (row,) = [row for row in rows if row["id"] == spider.welcome["id"]]
    assert set(row) == {"id", "kind", "name", "via", "address", "services", "since"}
    assert (row["kind"], row["name"], row["via"]) == ("service", "spider", "unix+json")
    assert row["services"] == ["spider"]
    (me,) = [row for row in rows if row["name"] == "peers"]
    assert me["kind"] == "terminal"


def test_hostile_peers_cannot_drive_the_table(askr: Askr, daemon: DaemonProcess) -> None:
    hostile = {"zone": "\x1b[2J\u202e"}
    with TextService(daemon.unix_url, "evil", {}, tags=hostile, version="\x1b]0;x\x07"):
        for words in (("services",), ("peers",), ("describe", "evil")):
            told = askr(*words)
            assert (told.code, told.out.replace("\n", "").isprintable()) == (0, True)


def test_a_command_is_described(askr: Askr, spider: TextService) -> None:
    told = askr("describe", "spider.crawl", "--json").json
    assert {
        "target", "doc", "reply", "timeout_ms", "request", "response", "guarantees", "instances",
    } <= set(told)  # fmt: skip
    assert (told["target"], told["doc"], told["reply"]) == ("spider.crawl", "Reads pages.", "value")
    assert (told["timeout_ms"], told["request"]) == (5_000, SCHEMA)


def test_a_command_is_described_for_people(askr: Askr, spider: TextService) -> None:
    text = askr("describe", "spider.crawl").out
    assert text.startswith("spider.crawl\n  Reads pages.\n")
    assert "  url    string             where to begin\n" in text
    assert "  depth  integer 1..5  = 1\n" in text
    assert "  askr send spider.crawl url=text\n" in text
    assert "answers    array of string\n" in text
    assert "timeout    5 s\n" in text
    assert "guarantees\n" in text


def test_a_service_is_described_for_people(askr: Askr, spider: TextService) -> None:
    text = askr("describe", "spider").out
    assert text.startswith("spider\n  Walks the web.\n")
    assert "commands\n  crawl  Reads pages.\n" in text
    assert "emits\n  CRAWLED  A page was read.\n" in text
    assert "tags       zone=eu\n" in text


def test_what_is_unknown_cannot_be_described(askr: Askr, spider: TextService) -> None:
    told = askr("describe", "spidr", "--json")
    assert told.code == 5
    assert "spider" in told.err


def test_ping_measures(askr: Askr, daemon: DaemonProcess) -> None:
    told = askr("ping", "--json").json
    assert set(told) == {"ok", "ms", "daemon", "version", "protocol", "build"}
    assert (told["ok"], told["protocol"]) == (True, "askr/1")
    assert 0 < told["ms"] < 10_000
    line = askr("ping").out
    assert line.startswith(f"askrd {told['version']} at {daemon.unix_url} answered in ")


def test_nobody_there_is_no_failure(askr: Askr) -> None:
    told = askr("services", "-w", "empty")
    assert (told.code, told.out) == (0, "")
    assert told.err.startswith("no service is connected")


def test_a_terminal_is_listed_by_its_verb_while_it_listens(
    askr: Askr, daemon: DaemonProcess
) -> None:
    with askr.running("listen", "x") as run, TextPeer(daemon.unix_url) as peer:
        run.wait_for_narration("listening")
        rows = peer.ask(k="call", id=1, to="$askr.peers")["d"]
        assert [row["kind"] for row in rows if row["name"] == "listen"] == ["terminal"]


def test_one_look_at_the_counters(askr: Askr, spider: TextService) -> None:
    told = askr("top", "--once", "--json").json
    assert {"daemon", "totals", "commands", "events", "peers", "queues"} <= set(told)


def test_the_default_deadline_is_described(tmp_path: Path) -> None:
    with DaemonProcess() as daemon:
        with TextService(daemon.unix_url, "plain", {"do": lambda call: {}}):
            told = Askr(tmp_path, daemon.unix_url)("describe", "plain.do", "--json").json
            text = Askr(tmp_path, daemon.unix_url)("describe", "plain.do").out
    assert told["timeout_ms"] == 30_000
    assert "timeout    30 s" in text


def test_attach_says_what_is_wrong_with_a_url_before_it_asks_for_a_name(askr: Askr) -> None:
    told = askr("attach", "tcp://127.0.0.1:1")
    assert (told.code, told.out) == (2, "")
    assert "node-askr://HOST:PORT" in told.err
