"""`askr attach`: a node-askr service, which is a TCP server, becomes a service of the workspace."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.node_askr_peers import Json, NodeAskrClient, NodeAskrService
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration


def fail(_data: Json) -> Json:
    raise ValueError("it went wrong")


COMMANDS = {
    "fetch": lambda data: {"got": data},
    "stop": lambda data: None,
    "fail": fail,
}


@pytest.fixture
def node() -> Iterator[NodeAskrService]:
    with NodeAskrService(COMMANDS) as made:
        yield made


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as process:
        yield process


@pytest.fixture
def askr(daemon: DaemonProcess, tmp_path: Path) -> Askr:
    return Askr(tmp_path, daemon.unix_url)


def test_every_command_is_forwarded_under_the_service(askr: Askr, node: NodeAskrService) -> None:
    told = askr("attach", node.url, "--as", "agent", "--json")
    assert told.code == 0
    assert told.json == {
        "ok": True, "url": node.url, "service": "agent", "commands": [], "events": [],
        "connected": True,
    }  # fmt: skip
    assert askr("send", "agent.fetch", "depth:=2").json == {"got": {"depth": 2}}
    assert askr("send", "agent.fetch").json == {"got": {}}
    assert (askr("send", "agent.stop").code, askr("send", "agent.stop").out) == (0, "")
    assert node.chunks[0] == b'{"workspace":"askr","mid":"1","command":"fetch","data":{"depth":2}}'
    assert askr("services", "--json").json[0]["commands"] == ["*"]
    unlisted = askr("send", "fetch", "--json")
    assert (unlisted.code, unlisted.json["error"]["code"]) == (5, "command_unknown")


def test_its_errors_are_told(askr: Askr, node: NodeAskrService) -> None:
    askr("attach", node.url, "--as", "agent")
    told = askr("send", "agent.fail", "--json")
    assert (told.code, told.json["error"]["message"]) == (6, "it went wrong")
    told = askr("send", "agent.nope", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "command_unknown")
    assert told.json["error"]["message"] == "Command's callback for nope not found"
    told = askr("send", "agent.fetch", "--json", "--", "0")
    assert (told.code, told.json["error"]["code"]) == (3, "bad_request")
    told = askr("send", "agent.fetch", "--json", "--", json.dumps("x" * 61_440))
    assert (told.code, told.json["error"]["code"]) == (3, "payload_too_large")
    assert all(b"fetch" not in chunk for chunk in node.chunks)


def test_listed_commands_are_found_by_their_names(askr: Askr, node: NodeAskrService) -> None:
    listed = ("--commands", "fetch,stop", "--events", "FETCHED_TIME")
    row = askr("attach", node.url, "--as", "agent", *listed, "--json").json
    assert (row["commands"], row["events"]) == (["fetch", "stop"], ["FETCHED_TIME"])
    assert askr("send", "fetch").json == {"got": {}}
    assert askr("send", "agent.fail").code == 5
    node.wait_for_listener("FETCHED_TIME")


def test_events_are_asked_for_when_somebody_listens(
    askr: Askr, node: NodeAskrService, daemon: DaemonProcess
) -> None:
    with TextPeer(daemon.unix_url) as friend:
        friend.ask(k="sub", id=1, pattern="EARLY")
        askr("attach", node.url, "--as", "agent")
        friend.ask(k="sub", id=2, pattern="FETCHED_TIME")
        friend.ask(k="sub", id=3, pattern="$askr.**")
        friend.ask(k="sub", id=4, pattern="WILD*")
        for event in ("EARLY", "FETCHED_TIME"):
            node.wait_for_listener(event)
            node.emit(event, 1_700_000_000_000)
            heard = friend.hear_kind("event")
            assert (heard["event"], heard["d"]) == (event, 1_700_000_000_000)
            assert heard["from"]["service"] == "agent"
        asked = [json.loads(chunk)["eventType"] for chunk in node.chunks]
        assert asked == ["EARLY", "FETCHED_TIME"]


def test_a_node_askr_client_reaches_a_node_askr_service(
    askr: Askr, node: NodeAskrService, daemon: DaemonProcess
) -> None:
    askr("attach", node.url, "--as", "agent", "--commands", "fetch")
    with NodeAskrClient(daemon.port) as client:
        assert client.send("fetch", {"a": 1}, "m") == b'{"mid":"m","value":{"got":{"a":1}}}'


def test_the_daemon_dials_again(askr: Askr, daemon: DaemonProcess) -> None:
    with NodeAskrService(COMMANDS) as node:
        url = node.url
        before = askr("attach", url, "--as", "agent", "--json")
        assert before.json["connected"]
        with TextPeer(daemon.unix_url) as friend:
            friend.ask(k="sub", id=1, pattern="TICK")
            node.wait_for_listener("TICK")
            node.hang_up()
            node.wait_for_listener("TICK")
    assert eventually(askr, connected=False)
    told = askr("send", "agent.fetch", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "no_instance")
    with NodeAskrService(COMMANDS, port=node.port):
        assert eventually(askr, connected=True)
        assert askr("send", "agent.fetch").json == {"got": {}}


def eventually(askr: Askr, *, connected: bool) -> bool:
    """Says whether the one attached service gets into a state within 20 s."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if askr("attach", "--json").json[0]["connected"] is connected:
            return True
    return False


def test_what_waits_for_an_answer_fails_when_the_service_goes(
    askr: Askr, node: NodeAskrService, daemon: DaemonProcess
) -> None:
    def go(_data: Json) -> Json:
        node.hang_up()
        return 1

    node.commands = {"go": go}
    askr("attach", node.url, "--as", "agent")
    told = askr("send", "agent.go", "--json")
    assert (told.code, told.json["error"]["code"]) == (8, "instance_lost")


def test_detach_ends_it(askr: Askr, node: NodeAskrService) -> None:
    askr("attach", node.url, "--as", "agent")
    again = askr("attach", node.url, "--as", "agent")
    assert again.code == 0
    other = askr("attach", "node-askr://127.0.0.1:9", "--as", "agent", "--json")
    assert (other.code, other.json["error"]["code"]) == (9, "conflict")
    gone = askr("detach", "agent", "--json")
    assert (gone.code, gone.json["connected"]) == (0, False)
    assert askr("attach", "--json").json == []
    assert askr("services", "--json").json == []
    missing = askr("detach", "agent", "--json")
    assert (missing.code, missing.json["error"]["code"]) == (5, "not_found")


def test_a_service_that_is_away_is_dialled_until_it_is_there(askr: Askr) -> None:
    with NodeAskrService(COMMANDS) as node:
        port = node.port
    told = askr("attach", node.url, "--as", "agent")
    assert told.code == 0
    assert "is not connected yet" in told.err
    assert "refused" in told.err
    with NodeAskrService(COMMANDS, port=port):
        assert eventually(askr, connected=True)


def test_the_daemon_does_not_dial_itself(askr: Askr, daemon: DaemonProcess) -> None:
    for host in ("127.0.0.1", "localhost"):
        url = f"node-askr://{host}:{daemon.port}"
        told = askr("attach", url, "--as", "loop", "--commands", "fetch", "--json")
        assert (told.code, told.json["connected"]) == (0, False)
        assert "it is this daemon itself" in told.json["why"]
        assert askr("detach", "loop").code == 0
    assert "attached to itself" in daemon.log.read_text()


@pytest.mark.parametrize(
    "line",
    [
        "attach http://127.0.0.1:9 --as x",
        "attach node-askr://127.0.0.1:9/path --as x",
        "attach node-askr://127.0.0.1:0 --as x",
        "attach node-askr://127.0.0.1:9",
        "attach --as x",
    ],
)
def test_a_wrong_line_is_told_before_anything_is_sent(askr: Askr, line: str) -> None:
    told = askr("--json", *line.split())
    assert (told.code, told.json["error"]["code"]) == (2, "usage")


def test_dry_run_shows_the_command(askr: Askr) -> None:
    frame = askr("attach", "node-askr://h", "--as", "x", "--commands", "a,b", "--dry-run").json
    assert (frame["to"], frame["d"]) == (
        "$askr.attach",
        {"url": "node-askr://h", "service": "x", "commands": ["a", "b"], "events": []},
    )
    assert askr("detach", "x", "--dry-run").json["to"] == "$askr.detach"
    assert askr("attach", "--dry-run").json["to"] == "$askr.attached"


def test_the_daemon_stops_while_services_are_attached(
    node: NodeAskrService, tmp_path: Path
) -> None:
    with DaemonProcess() as daemon:
        askr = Askr(tmp_path, daemon.unix_url)
        askr("attach", node.url, "--as", "agent")
        askr("attach", "node-askr://127.0.0.1:1", "--as", "away")
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 15
        assert "Traceback" not in daemon.log.read_text()


@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_a_daemon_that_was_gone_dials_again_by_itself(
    node: NodeAskrService, tmp_path: Path, way: str
) -> None:
    with DaemonProcess("--data", str(tmp_path / "data")) as daemon:
        askr = Askr(tmp_path, daemon.unix_url)
        lists = ("--commands", "fetch,stop", "--events", "FETCHED_TIME")
        before = askr("attach", node.url, "--as", "agent", *lists, "--json").json
        askr("attach", "node-askr://127.0.0.1:1", "--as", "gone")
        assert askr("detach", "gone").code == 0
        assert before["connected"]
        if way == "killed":
            daemon.kill()
        else:
            assert daemon.stop() == 0
        daemon.start()
        assert eventually(askr, connected=True)
        (row,) = askr("attach", "--json").json
        assert row | {"ok": True} == before
        assert askr("send", "fetch", "depth:=2").json == {"got": {"depth": 2}}
        node.wait_for_listener("FETCHED_TIME")
        assert node.accepted == 2, "one connection of each life"
        assert askr("detach", "agent").code == 0
        daemon.kill()
        daemon.start()
        assert askr("attach", "--json").json == []
        assert "Traceback" not in daemon.log.read_text()


def test_without_a_data_directory_it_is_gone_with_the_daemon(
    node: NodeAskrService, tmp_path: Path
) -> None:
    with DaemonProcess() as daemon:
        askr = Askr(tmp_path, daemon.unix_url)
        askr("attach", node.url, "--as", "agent")
        daemon.stop()
        daemon.start()
        assert askr("attach", "--json").json == []


def test_a_daemon_that_is_back_at_another_port_still_does_not_dial_itself(tmp_path: Path) -> None:
    with NodeAskrService(COMMANDS) as node:
        url, port = node.url, node.port
    data = str(tmp_path / "data")
    with DaemonProcess("--data", data) as daemon:
        askr = Askr(tmp_path, daemon.unix_url)
        askr("attach", url, "--as", "loop")
        daemon.kill()
    with DaemonProcess("--data", data, "--listen", f"ws://127.0.0.1:{port}") as daemon:
        until = time.monotonic() + 20
        while "attached to itself" not in daemon.log.read_text():
            assert time.monotonic() < until
