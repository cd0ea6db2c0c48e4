"""Behind Debian's nginx, under a path of a larger site: HTTP, streams and WebSocket."""

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as connect_websocket

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.http.web import ask, read_until
from tests.integration.peers import TIMEOUT_S, connect

pytestmark = pytest.mark.integration

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
CONFIGURATION = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{server}
}}
"""
PAGE = Path(__file__).resolve().parents[3] / "docs" / "HTTP.md"


def configured(folder: Path, port: int, daemon: DaemonProcess) -> str:
    """Returns the configuration of docs/HTTP.md for this daemon and a free port."""
    server = PAGE.read_text(encoding="utf-8").split("```nginx\n")[1].split("```")[0]
    server = server.replace("listen 80;", f"listen 127.0.0.1:{port};")
    server = server.replace("127.0.0.1:8800", f"127.0.0.1:{daemon.port}")
    return CONFIGURATION.format(folder=folder, server=server)


@pytest.fixture(scope="module")
def site(daemon: DaemonProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if NGINX is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    folder = tmp_path_factory.mktemp("nginx")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(configured(folder, port, daemon))
    process = subprocess.Popen(
        [NGINX, "-c", str(file), "-p", str(folder), "-e", str(folder / "error.log")],
        stderr=subprocess.PIPE,
    )
    try:
        wait_until_it_listens(process, port)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT_S)


def wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[1]
        with socket.socket() as plug:
            if plug.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError("nginx does not listen")


def test_commands_and_state_work_under_a_prefix(site: int, port: int) -> None:
    assert ask(site, "POST", "/askr/call/lab.add", {"a": 1}).json["sum"] == 2
    assert ask(site, "GET", "/askr/call/lab.add?a=4").json["sum"] == 5
    assert ask(site, "POST", "/askr/call/lab.nope").code == "command_unknown"
    assert ask(site, "PUT", "/askr/state/web/a%20b", 1).status == 400
    assert ask(site, "PUT", "/askr/state/web/a", 1).status == 200
    assert ask(site, "GET", "/askr/state/web/a").json == 1
    assert ask(site, "GET", "/elsewhere").status == 404


def test_the_description_names_the_prefix(site: int, port: int) -> None:
    server = ask(site, "GET", "/askr/asyncapi.json").json["servers"]["askrd"]
    assert (server["pathname"], server["host"]) == ("/askr", f"127.0.0.1:{site}")


def test_a_large_upload_and_a_large_answer_pass(site: int, port: int) -> None:
    kind = {"content-type": "application/octet-stream"}
    assert ask(site, "POST", "/askr/call/lab.put", b"x" * 3_000_000, kind).json["size"] == 3_000_000
    assert len(ask(site, "POST", "/askr/call/lab.large", {"of": 3_000_000}).body) == 3_000_000
    assert ask(site, "POST", "/askr/call/lab.count", {"to": 500}).lines[-1] == 500


def test_events_pass_as_they_come(site: int, port: int) -> None:
    with connect(f"ws://127.0.0.1:{site}") as plug:
        plug.sendall(b"GET /askr/listen/WEB HTTP/1.1\r\nHost: a\r\n\r\n")
        read_until(plug, b": listening")
        ask(site, "POST", "/askr/emit/WEB", {"n": 1})
        assert b'"payload":{"n": 1}' in read_until(plug, b'"ts":')


def test_a_websocket_passes(site: int, port: int) -> None:
    async def ping() -> str:
        async with connect_websocket(f"ws://127.0.0.1:{site}/askr/") as peer:
            await peer.send('{"k":"hello","v":1}')
            await peer.send('{"k":"call","id":1,"to":"$askr.ping"}')
            async with asyncio.timeout(TIMEOUT_S):
                while (frame := json.loads(await peer.recv()))["k"] != "reply":
                    pass
            return str(frame["d"]["protocol"])

    assert asyncio.run(ping()) == "askr/1"


def test_what_nginx_lets_through_is_still_read_strictly(site: int, port: int) -> None:
    with connect(f"ws://127.0.0.1:{site}") as plug:
        plug.sendall(
            b"POST /askr/emit/X HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /askr/healthz HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert read_until(plug, b"\r\n\r\n").split()[1] in {b"200", b"400"}
