"""The contract about places: what askrd listens on, says and leaves behind; what askr looks for."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer, connected

pytestmark = pytest.mark.integration

PATIENCE_S = 30.0


class Serving:
    """`askrd serve` with exactly the arguments and environment of a test."""

    def __init__(self, environ: dict[str, str], *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "askrd", "serve", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """Returns the first line of standard output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def ready(self) -> dict[str, Any]:
        """Returns the ready line of `--json`."""
        told: dict[str, Any] = json.loads(self.line())
        return told

    def end(self) -> tuple[int, str]:
        """Waits for the end; returns exit code and standard error."""
        _, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err.decode()

    def stop(self) -> int:
        """Sends SIGTERM and returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.end()[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def serve(home: Path, *words: str) -> Serving:
    (home / "run").mkdir(exist_ok=True)
    return Serving(Askr(home).environ, *words)


def test_listen_replaces_all_defaults_the_unix_socket_included(tmp_path: Path) -> None:
    with serve(tmp_path, "--listen", "ws://127.0.0.1:0", "--json") as process:
        ready = process.ready()
        assert list(ready) == ["ready", "listen", "pid", "version"]
        assert (ready["ready"], ready["pid"]) == (True, process.pid)
        (url,) = ready["listen"]
        assert int(url.rpartition(":")[2]) > 0
        assert not list(tmp_path.rglob("*.sock"))
        assert process.stop() == 0


def test_the_ready_line_is_for_people_without_json(tmp_path: Path) -> None:
    with serve(tmp_path, "--listen", "tcp://127.0.0.1:0") as process:
        assert "tcp://127.0.0.1:" in process.line()
        assert process.stop() == 0


def test_the_scheme_does_not_decide_what_is_spoken() -> None:
    with DaemonProcess("--listen", "ws://127.0.0.1:0") as daemon, TextPeer(daemon.url) as peer:
        assert peer.welcome["k"] == "welcome"


def test_the_default_socket_is_private_and_the_record_lies_beside_it(tmp_path: Path) -> None:
    with serve(tmp_path, "--listen", "unix:", "--listen", "ws://127.0.0.1:0", "--json") as process:
        ready = process.ready()
        path = tmp_path / "run" / "askr" / "askrd.sock"
        assert f"unix:{path}" in ready["listen"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        record = json.loads((path.parent / "askrd.json").read_text(encoding="utf-8"))
        assert (record["addresses"], record["pid"]) == (ready["listen"], process.pid)
        assert {"version", "daemon"} <= set(record)
        assert process.stop() == 0
        assert list(path.parent.iterdir()) == []


def test_systemds_runtime_directory_comes_first(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    environ = Askr(tmp_path).environ | {"RUNTIME_DIRECTORY": str(tmp_path / "service")}
    with Serving(environ, "--listen", "unix:", "--json") as process:
        assert process.ready()["listen"] == [f"unix:{tmp_path / 'service' / 'askrd.sock'}"]
        assert process.stop() == 0


def test_without_a_runtime_directory_the_temp_dir_is_used(tmp_path: Path) -> None:
    environ = {k: v for k, v in Askr(tmp_path).environ.items() if k != "XDG_RUNTIME_DIR"}
    environ["TMPDIR"] = str(tmp_path)
    path = tmp_path / f"askr-{os.getuid()}" / "askrd.sock"
    with Serving(environ, "--listen", "unix:", "--json") as process:
        assert process.ready()["listen"] == [f"unix:{path}"]
        askr = Askr(tmp_path)
        askr.environ = environ
        assert askr("ping").code == 0
        assert process.stop() == 0


def test_a_busy_port_exits_1_and_names_the_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with serve(tmp_path, "--listen", f"ws://127.0.0.1:{port}") as process:
            code, err = process.end()
    assert code == 1
    assert str(port) in err
    assert str(os.getpid()) in err


def test_a_client_finds_the_default_socket_by_itself(tmp_path: Path) -> None:
    with serve(tmp_path, "--listen", "unix:", "--json") as process:
        process.line()
        told = Askr(tmp_path)("ping", "--json")
        assert (told.code, told.json["ok"]) == (0, True)
        assert process.stop() == 0


def test_the_environment_and_the_project_say_where(tmp_path: Path) -> None:
    with DaemonProcess() as daemon:
        askr = Askr(tmp_path, daemon.url)
        assert askr("ping").code == 0
        del askr.environ["ASKR_URL"]
        (tmp_path / ".askr.toml").write_text(f'url = "{daemon.unix_url}"\n', encoding="utf-8")
        (tmp_path / "below").mkdir()
        askr.cwd = tmp_path / "below"
        assert askr("ping").code == 0
        askr.environ["ASKR_URL"] = "ws://127.0.0.1:1"
        assert askr("ping").code == 7
        assert askr("ping", "--url", daemon.tcp_url).code == 0


@pytest.mark.parametrize("scheme", ["ws", "http", "tcp"])
def test_every_plain_scheme_reaches_the_port(tmp_path: Path, scheme: str) -> None:
    with DaemonProcess() as daemon:
        url = f"{scheme}://127.0.0.1:{daemon.port}"
        assert Askr(tmp_path)("ping", "--url", url).code == 0


def test_a_stale_socket_falls_through(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "askr"
    folder.mkdir(parents=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(folder / "askrd.sock"))
    told = Askr(tmp_path)("ping")
    # Whether something listens on the default port of this machine is not ours to say.
    assert told.code == 0 or "ws://127.0.0.1:8800" in told.err


def test_a_second_daemon_leaves_the_first_ones_socket_alone(tmp_path: Path) -> None:
    with serve(tmp_path, "--listen", "unix:", "--json") as process:
        url = process.ready()["listen"][0]
        with serve(tmp_path, "--listen", "unix:", "--json") as second:
            code, err = second.end()
        assert (code, str(process.pid) in err) == (1, True)
        connected(url).close()
        assert process.stop() == 0
