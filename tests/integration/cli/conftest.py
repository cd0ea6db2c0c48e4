"""A daemon and a service for the tests that drive `askr` as a script would."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import AgentProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import Frame, TextService

HOSTILE = "\x1b[2Jowned\x07\u202e\x9b31m"


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as process:
        yield process


@pytest.fixture
def askr(daemon: DaemonProcess, tmp_path: Path) -> Askr:
    """Runs `askr` against the daemon, in a home of its own."""
    return Askr(tmp_path, daemon.unix_url)


def echo(call: Frame) -> Frame:
    return {key: call[key] for key in ("d", "b") if key in call}


def fail_with(call: Frame) -> Frame:
    return {"k": "fail"} | call["d"]


@pytest.fixture
def service(daemon: DaemonProcess) -> Iterator[TextService]:
    """The service `lab`, whose commands answer, fail, insult or never answer."""
    commands = {
        "echo": echo,
        "nothing": lambda call: {},
        "hostile": lambda call: {"d": HOSTILE},
        "headers": lambda call: {"d": call.get("headers")},
        "who": lambda call: {"d": call["from"]},
        "ttl": lambda call: {"d": call["ttl"]},
        "fail_with": fail_with,
        "slow": lambda call: None,
    }
    with TextService(daemon.unix_url, "lab", commands) as made:
        yield made


@pytest.fixture(scope="module")
def mail(daemon: DaemonProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """The service `mail` in a process: queued commands, and a listener that answers."""
    script = Path(__file__).with_name("queue_agent.py")
    with AgentProcess(script, os.environ | {"ASKR_URL": daemon.unix_url}) as process:
        askr = Askr(tmp_path_factory.mktemp("home"), daemon.unix_url)
        assert askr("send", "mail.post", "--wait", "20s").code == 0
        yield process
