"""The contract about isolation: nothing crosses between workspaces, nor between two daemons."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration

OFFER = [{"name": "fetch"}]


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as process:
        yield process


@pytest.fixture
def here(daemon: DaemonProcess) -> Iterator[TextPeer]:
    with TextPeer(daemon.unix_url, "here", workspace="here") as peer:
        yield peer


@pytest.fixture
def there(daemon: DaemonProcess) -> Iterator[TextPeer]:
    with TextPeer(daemon.tcp_url, "there", workspace="there") as peer:
        yield peer


def test_a_command_of_another_workspace_is_not_there(here: TextPeer, there: TextPeer) -> None:
    assert there.ask(k="provide", id=1, service="agent", commands=OFFER)["k"] == "provided"
    for to in ("fetch", "agent.fetch", f"agent@{there.instance}.fetch"):
        assert here.ask(k="call", id=1, to=to)["code"] in {"command_unknown", "service_unknown"}
    assert here.ask(k="provide", id=2, service="agent", commands=OFFER)["k"] == "provided"
    here.say(k="call", id=3, to="fetch")
    assert here.hear_kind("call")["to"] == "agent.fetch"


def test_a_reply_to_a_command_of_another_workspace_is_refused(
    here: TextPeer, there: TextPeer
) -> None:
    here.ask(k="provide", id=1, service="agent", commands=OFFER)
    here.say(k="call", id=2, to="fetch")
    call = here.hear_kind("call")
    forged = there.ask(k="reply", id=call["id"], d="forged")
    assert (forged["k"], forged["code"]) == ("error", "bad_request")
    assert here.ask(k="reply", id=call["id"], d="true")["d"] == "true"


def test_events_stay_inside(here: TextPeer, there: TextPeer) -> None:
    here.ask(k="sub", id=1, pattern="**")
    here.ask(k="sub", id=2, pattern="$askr.**")
    assert there.ask(k="emit", id=1, event="SECRET")["receivers"] == 0
    there.ask(k="provide", id=2, service="secret", commands=OFFER)
    here.say(k="emit", event="OWN")
    assert here.hear_kind("event")["event"] == "OWN"


def test_state_stays_inside(here: TextPeer, there: TextPeer) -> None:
    assert there.ask(k="put", id=1, key="secret", d=1)["rev"] == 1
    assert here.ask(k="get", id=1, key="secret")["code"] == "not_found"
    assert here.ask(k="watch", id=2, prefix="")["k"] == "synced"
    there.ask(k="put", id=2, key="secret", d=2)
    mine = here.ask(k="put", id=3, key="own", d=1)
    assert {mine["k"], here.hear()["k"]} == {"ok", "change"}


def test_who_is_there_is_told_for_the_own_workspace(here: TextPeer, there: TextPeer) -> None:
    there.ask(k="provide", id=1, service="hidden", commands=OFFER)
    there.ask(k="call", id=2, to="hidden.nope")
    peers = here.ask(k="call", id=1, to="$askr.peers")["d"]
    assert [row["name"] for row in peers] == ["here"]
    assert here.ask(k="call", id=2, to="$askr.services")["d"] == []
    stats = here.ask(k="call", id=3, to="$askr.stats")["d"]
    assert [row["name"] for row in stats["peers"]] == ["here"]
    assert "hidden" not in str(stats)
    described = here.ask(k="call", id=4, to="$askr.describe", d={"target": "hidden"})
    assert described["k"] == "fail"


def test_global_is_the_default_by_another_name(daemon: DaemonProcess) -> None:
    with (
        TextPeer(daemon.unix_url, "a") as plain,
        TextPeer(daemon.unix_url, "b", workspace="global") as alias,
        TextPeer(daemon.unix_url, "c", workspace="askr") as named,
    ):
        assert {p.welcome["workspace"] for p in (plain, alias, named)} == {"askr"}
        plain.ask(k="sub", id=1, pattern="X")
        assert alias.ask(k="emit", id=1, event="X")["receivers"] == 1
        assert named.ask(k="emit", id=1, event="X")["receivers"] == 1


def test_the_daemon_names_the_default_workspace() -> None:
    with DaemonProcess("--workspace", "team") as daemon, TextPeer(daemon.unix_url) as peer:
        assert peer.welcome["workspace"] == "team"


@pytest.mark.parametrize("name", ["UPPER", "a b", "-a", "x" * 64, "\x1b[2J"])
def test_what_is_no_workspaces_name_exits_2(
    daemon: DaemonProcess, tmp_path: Path, name: str
) -> None:
    told = Askr(tmp_path, daemon.unix_url)("ping", "-w", name, "--json")
    assert (told.code, told.json["error"]["code"]) == (2, "usage")
    assert told.err.rstrip("\n").isprintable()


def test_two_daemons_are_two_worlds(daemon: DaemonProcess, tmp_path: Path) -> None:
    with DaemonProcess() as other:
        with TextPeer(daemon.unix_url) as first, TextPeer(other.unix_url) as second:
            assert first.welcome["daemon"] != second.welcome["daemon"]
            assert first.welcome["epoch"] != second.welcome["epoch"]
            first.ask(k="sub", id=1, pattern="**")
            assert second.ask(k="emit", id=1, event="X")["receivers"] == 0
            second.ask(k="provide", id=2, service="agent", commands=OFFER)
            assert first.ask(k="call", id=2, to="agent.fetch")["code"] == "service_unknown"
        told = [Askr(tmp_path, one.unix_url)("ping", "--json").json for one in (daemon, other)]
    assert told[0]["daemon"] != told[1]["daemon"]
