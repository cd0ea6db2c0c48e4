"""A service is stopped (SIGSTOP) in the middle of its work, and goes on: nobody waits for it in vain."""

import os
import signal
from pathlib import Path

import pytest

from askrd.sync import Client
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.errors import DeadlineExceeded
from tests.integration.agent_process import AgentProcess
from tests.integration.clients.waits import blocking_until as until

pytestmark = [pytest.mark.integration, pytest.mark.faults]

CONFIG = """
[limits]
heartbeat_after_ms = 300
unresponsive_after_ms = 700
gone_after_ms = 60000
"""
AGENT = """
import os
from askrd import Askr
agent = Askr("work")
@agent.command
async def who() -> int:
    return os.getpid()
agent.run()
"""


def test_a_stopped_instance_gets_nothing_until_it_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "agent.py"
    script.write_text(AGENT)
    with DaemonProcess(config=CONFIG) as daemon:
        environ = {**os.environ, "ASKR_URL": daemon.unix_url}
        with (
            AgentProcess(script, environ) as one,
            AgentProcess(script, environ) as two,
            Client(daemon.unix_url) as client,
        ):
            one.wait_until_it_says("connected")
            two.wait_until_it_says("connected")
            pids = {one.process.pid, two.process.pid}
            assert {client.send("work.who") for _ in range(4)} == pids

            one.process.send_signal(signal.SIGSTOP)
            late = []
            for _ in range(2):
                try:
                    client.send("work.who", timeout=0.2)
                except DeadlineExceeded as error:
                    late.append(error.details["delivered"])
            assert late == ["unknown"], "one of two commands went to the stopped instance"

            def states() -> list[str]:
                return sorted(row["state"] for row in client.services())

            until(lambda: states() == ["active", "unresponsive"])
            assert {client.send("work.who", timeout=5) for _ in range(6)} == {two.process.pid}
            one.process.send_signal(signal.SIGCONT)
            until(lambda: states() == ["active", "active"])
            assert {client.send("work.who", timeout=5) for _ in range(4)} == pids
