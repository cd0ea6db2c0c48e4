"""What the HTTP tests share: a daemon, and a service that has every kind of command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import AgentProcess

LAB = Path(__file__).with_name("lab_agent.py")


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    pytest.importorskip("h11", reason="the extra `http` is not installed")
    with DaemonProcess() as running:
        yield running
        log = running.log.read_text()
        assert "Traceback" not in log
        assert "failed" not in log


@pytest.fixture(scope="module")
def lab(daemon: DaemonProcess) -> Iterator[AgentProcess]:
    with AgentProcess(LAB, daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")
        yield agent


@pytest.fixture
def port(daemon: DaemonProcess, lab: AgentProcess) -> int:
    return daemon.port
