"""What the clients' tests share: a daemon, a service that answers, and every door."""

from collections.abc import Iterator
from typing import Any

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.text_peer import TextService


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as running:
        yield running
        assert "Traceback" not in running.log.read_text()


@pytest.fixture
def lab(daemon: DaemonProcess) -> Iterator[TextService]:
    commands: dict[str, Any] = {
        "echo": lambda call: {key: call[key] for key in ("d", "b") if key in call},
        "headers": lambda call: {"d": call.get("headers")},
        "refuse": lambda call: {"k": "fail", "code": "sold_out", "message": "none left"},
        "slow": lambda call: None,
    }
    with TextService(daemon.unix_url, "lab", commands) as service:
        yield service


@pytest.fixture(params=["unix", "tcp", "ws"])
def url(request: pytest.FixtureRequest, daemon: DaemonProcess) -> str:
    return {"unix": daemon.unix_url, "tcp": daemon.tcp_url, "ws": daemon.url}[request.param]
