"""The daemon serves the JavaScript client, and the wheel has it."""

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import ROOT
from tests.integration.http.web import ask, read_until
from tests.integration.javascript.pages import Pages
from tests.integration.javascript.runtimes import MODULE
from tests.integration.peers import connect

pytestmark = pytest.mark.integration


def test_the_module_is_served_as_it_is(daemon: DaemonProcess) -> None:
    answer = ask(daemon.port, "GET", "/askr.js")
    assert (answer.status, answer.body) == (200, MODULE.read_bytes())
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = ask(daemon.port, "HEAD", "/askr.js")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", answer.headers["etag"])
    assert ask(daemon.port, "POST", "/askr.js", 1).status == 405


def test_who_has_it_already_is_told_so(daemon: DaemonProcess) -> None:
    tag = ask(daemon.port, "GET", "/askr.js").headers["etag"]
    for given in (tag, f'"other", W/{tag}', "*"):
        answer = ask(daemon.port, "GET", "/askr.js", headers={"if-none-match": given})
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    other = ask(daemon.port, "GET", "/askr.js", headers={"if-none-match": '"other"'})
    assert other.status == 200


def test_an_allowed_page_may_import_it_and_no_other(daemon: DaemonProcess, pages: Pages) -> None:
    answer = ask(daemon.port, "GET", "/askr.js", headers={"origin": pages.url})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, pages.url)
    assert answer.headers["vary"] == "origin"
    for headers in ({"origin": "http://foreign.example"}, {"sec-fetch-site": "cross-site"}):
        assert ask(daemon.port, "GET", "/askr.js", headers=headers).status == 403


def test_it_is_served_without_the_extra(tmp_path: Path) -> None:
    (tmp_path / "h11.py").write_text("raise ModuleNotFoundError('hidden')\n")
    with DaemonProcess(environ={"PYTHONPATH": f"{tmp_path}:{ROOT}"}) as bare:
        assert ask(bare.port, "GET", "/askr.js").body == MODULE.read_bytes()
        assert ask(bare.port, "POST", "/emit/X", 1).status in {400, 501}


@pytest.mark.parametrize(
    ("origin", "host", "is_taken"),
    [
        ("http://127.0.0.1:{port}", "127.0.0.1:{port}", True),
        ("http://localhost:{port}", "localhost:{port}", True),
        ("http://localhost:{port}", "127.0.0.1:{port}", False),
        ("http://127.0.0.1:1", "127.0.0.1:{port}", False),
        ("http://rebound.example:{port}", "rebound.example:{port}", False),
        ("null", "127.0.0.1:{port}", False),
    ],
)
def test_a_websocket_of_the_daemon_s_own_page_is_taken(
    origin: str, host: str, is_taken: bool
) -> None:
    with DaemonProcess() as daemon:
        page, name = origin.format(port=daemon.port), host.format(port=daemon.port)
        request = (
            f"GET / HTTP/1.1\r\nHost: {name}\r\nOrigin: {page}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: askr.1.json\r\n\r\n"
        )
        with connect(daemon.url) as plug:
            plug.sendall(request.encode())
            status = read_until(plug, b"\r\n").split()[1]
        assert status == (b"101" if is_taken else b"403")
        with connect(daemon.url) as plug:
            plug.sendall(request.replace("Host:", f"Origin: {page}\r\nHost:").encode())
            assert not read_until(plug, b"\r\n").startswith(b"HTTP/1.1 101")


def test_the_wheel_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKR_COMPILE", "0")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as built:
        assert built.read("askrd/browser/askr.js") == MODULE.read_bytes()
