"""What the JavaScript tests share: a daemon with its service, pages, and a browser."""

import socket
import time
from collections.abc import Iterator

import pytest

from askrd.sync import Client
from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import AgentProcess
from tests.integration.javascript.pages import Pages
from tests.integration.javascript.runtimes import HERE
from tests.integration.javascript.webdriver import Browser

LEFT_WITHIN_S = 10.0


@pytest.fixture(scope="package")
def pages() -> Iterator[Pages]:
    with Pages() as served:
        yield served


@pytest.fixture(scope="package")
def daemon(pages: Pages) -> Iterator[DaemonProcess]:
    """A daemon that lets the pages of `pages.url` in."""
    with DaemonProcess(config=f'allow_origins = ["{pages.url}"]\n') as running:
        with AgentProcess(HERE / "desk_agent.py", running.environ()) as agent:
            agent.wait_until_it_says("connected to")
            yield running
        assert "Traceback" not in running.log.read_text(encoding="utf-8")


@pytest.fixture
def mortal(pages: Pages) -> Iterator[DaemonProcess]:
    """A daemon that can be killed and has the same port again."""
    with socket.create_server(("127.0.0.1", 0)) as plug:
        port = plug.getsockname()[1]
    config = f'allow_origins = ["{pages.url}"]\n'
    with DaemonProcess("--listen", f"ws://127.0.0.1:{port}", config=config) as running:
        yield running


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with Browser.start() as running:
        yield running


@pytest.fixture
def browser(chromium: Browser, daemon: DaemonProcess) -> Iterator[Browser]:
    """A browser whose page is left after the test, so that nobody else listens in the next one."""
    yield chromium
    chromium.open("about:blank")
    with Client(daemon.unix_url) as client:
        end = time.monotonic() + LEFT_WITHIN_S
        while any(row["via"] == "ws+json" for row in client.send("$askr.peers")):
            assert time.monotonic() < end
