"""The contract about `askrd.json`: what it says, when it is there, and who may read it."""

import json
import signal
import socket
import stat
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.test_contract_where import serve
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration


def record_of(daemon: DaemonProcess) -> Path:
    return daemon.directory / "askrd.json"


def test_the_record_says_where_and_who_and_is_private() -> None:
    with DaemonProcess() as daemon:
        path = record_of(daemon)
        record = json.loads(path.read_text(encoding="utf-8"))
        assert set(record) == {"addresses", "pid", "version", "daemon"}
        assert record["addresses"] == daemon.listen
        assert (record["pid"], record["version"]) == (daemon.pid, daemon.ready["version"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with TextPeer(daemon.unix_url) as peer:
            assert peer.welcome["daemon"] == record["daemon"]
            assert peer.welcome["version"] == record["version"]
        for address in record["addresses"]:
            assert Askr(daemon.directory, address)("ping").code == 0


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_socket_and_record_are_gone_after_a_stop_and_it_exits_0(sign: int) -> None:
    with DaemonProcess() as daemon:
        assert record_of(daemon).exists()
        assert daemon.stop(sign) == 0
        assert not record_of(daemon).exists()
        assert not daemon.socket.exists()


def test_what_a_crash_left_is_replaced(tmp_path: Path) -> None:
    listen = ("--listen", f"unix:{tmp_path / 'askrd.sock'}")
    record = tmp_path / "askrd.json"
    with DaemonProcess(*listen) as crashed:
        crashed.kill()
        assert record.exists()
        told = Askr(tmp_path, crashed.unix_url)("ping", "--json")
        assert (told.code, told.json["ok"]) == (7, False)
        with DaemonProcess(*listen) as daemon:
            assert json.loads(record.read_text(encoding="utf-8"))["pid"] == daemon.pid
            assert Askr(tmp_path, daemon.unix_url)("ping").code == 0
    assert list(tmp_path.glob("askrd.*")) == []


def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "askrd.sock").write_text("mine", encoding="utf-8")
    with pytest.raises(RuntimeError, match="not ready"):
        DaemonProcess("--listen", f"unix:{tmp_path / 'askrd.sock'}").start()
    assert (tmp_path / "askrd.sock").read_text(encoding="utf-8") == "mine"


def test_a_daemon_that_cannot_start_leaves_no_record(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        listen = ("--listen", f"unix:{tmp_path / 's'}", "--listen", f"ws://127.0.0.1:{port}")
        with pytest.raises(RuntimeError, match="not ready"):
            DaemonProcess(*listen).start()
    assert list(tmp_path.iterdir()) == []


def test_the_sockets_mode_can_be_configured() -> None:
    with DaemonProcess(config='socket_mode = "0660"\n') as daemon:
        assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o660


def test_another_daemon_leaves_the_record_of_the_first_alone(tmp_path: Path) -> None:
    record = tmp_path / "run" / "askr" / "askrd.json"
    with serve(tmp_path, "--listen", "unix:", "--json") as first:
        first.ready()
        with serve(tmp_path, "--listen", "ws://127.0.0.1:0", "--json") as second:
            second.ready()
            assert json.loads(record.read_text(encoding="utf-8"))["pid"] == first.pid
            assert second.stop() == 0
        assert json.loads(record.read_text(encoding="utf-8"))["pid"] == first.pid
        assert first.stop() == 0
    assert not record.exists()


def test_a_client_finds_a_daemon_without_a_socket_by_its_record(tmp_path: Path) -> None:
    with serve(tmp_path, "--listen", "ws://127.0.0.1:0", "--json") as daemon:
        daemon.ready()
        told = Askr(tmp_path)("ping", "--json")
        assert told.json["ok"] is True
