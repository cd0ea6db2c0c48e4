"""`askr emit --udp` as a script runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.sync import Client
from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr

pytestmark = pytest.mark.integration
DOORS = ("--listen", "ws://127.0.0.1:0", "--listen", "udp://127.0.0.1:0")
CHANNEL = '[[channel]]\nmatch = "log.*"\nvia = "udp"\n'


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess(*DOORS, config=CHANNEL) as running:
        yield running


@pytest.fixture
def askr(daemon: DaemonProcess, tmp_path: Path) -> Askr:
    """Runs `askr` where the daemon's record is."""
    made = Askr(tmp_path, daemon.url)
    made.environ["RUNTIME_DIRECTORY"] = str(daemon.environ()["XDG_RUNTIME_DIR"]) + "/askr"
    return made


def test_it_says_nothing_or_one_object_and_the_event_comes_from_udp(
    daemon: DaemonProcess, askr: Askr
) -> None:
    with Client(daemon.url) as client:
        with client.listen("LINE", count=4, timeout=10) as heard:
            quiet = askr("emit", "LINE", "text=hello", "--udp")
            assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
            told = askr("emit", "LINE", "--udp", "--json")
            assert told.json == {
                "ok": True,
                "event": "LINE",
                "receivers": None,
                "seq": None,
                "via": "udp",
            }
            assert len(askr("emit", "LINE", "--udp", "--count", "2", "--json").lines) == 2
            events = list(heard)
        assert {event.service for event in events} == {"udp"}
        assert {"text": "hello"} in [event.payload for event in events]


def test_where_there_is_no_record_the_welcome_says_it(
    daemon: DaemonProcess, askr: Askr, tmp_path: Path
) -> None:
    askr.environ["RUNTIME_DIRECTORY"] = str(tmp_path)
    with Client(daemon.url) as client, client.listen("LINE", count=1, timeout=10) as heard:
        ended = askr("emit", "LINE", "--udp", "-v")
        assert ended.code == 0
        assert "sent LINE to udp://127.0.0.1:" in ended.err
        assert [event.service for event in heard] == ["udp"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--retain",), 2, "--udp hears nothing back"),
        (("--collect",), 2, "--udp hears nothing back"),
        (("--require-listener",), 2, "--udp hears nothing back"),
        (("-w", "lab"), 2, "lab was asked for (command line)"),
        (("text=" + "x" * 9000,), 3, "a datagram to udp://127.0.0.1"),
    ],
)
def test_what_a_datagram_cannot_do_is_refused(
    askr: Askr, words: tuple[str, ...], code: int, said: str
) -> None:
    ended = askr("emit", "LINE", "--udp", *words)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_the_frame_that_would_be_sent_has_no_id(askr: Askr) -> None:
    ended = askr("emit", "LINE", "a:=1", "--udp", "--dry-run")
    assert ended.json == {"k": "emit", "event": "LINE", "d": {"a": 1}}


def test_a_daemon_without_that_door_is_named(tmp_path: Path) -> None:
    with DaemonProcess() as daemon:
        ended = Askr(tmp_path, daemon.url)("emit", "LINE", "--udp", "--json")
    assert ended.code == 5
    assert ended.json["error"]["code"] == "not_found"
    assert "takes no datagrams" in ended.err


def test_a_record_of_a_daemon_that_is_gone_is_no_success(tmp_path: Path) -> None:
    with DaemonProcess(*DOORS) as daemon:
        url, record = daemon.url, '{{"addresses": ["{}", "{}"]}}'.format(*daemon.listen)
    askr = Askr(tmp_path, url)
    (tmp_path / "askrd.json").write_text(record)
    askr.environ["RUNTIME_DIRECTORY"] = str(tmp_path)
    ended = askr("emit", "LINE", "--udp")
    assert ended.code == 7
    assert "connection refused" in ended.err
