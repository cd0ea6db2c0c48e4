"""Every command on the page about HTTP runs, and prints what the page says it prints."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import ROOT, AgentProcess

pytestmark = pytest.mark.integration

PAGE = (ROOT / "docs" / "HTTP.md").read_text(encoding="utf-8")
SERVICE = PAGE.split("```python\n")[1].split("```")[0]
BLOCKS = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
RUN = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def runs() -> list[list[tuple[str, str]]]:
    """Returns commands and what they print; one that goes on (`&`) with the one behind it."""
    found: list[list[tuple[str, str]]] = []
    goes_on = False
    for block in BLOCKS:
        for command, prints in RUN.findall(block):
            if goes_on:
                found[-1].append((command, prints))
            else:
                found.append([(command, prints)])
            goes_on = command.endswith("&")
    return found


RUNS = runs()


@pytest.fixture(scope="module")
def port(daemon: DaemonProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    script: Path = tmp_path_factory.mktemp("page") / "shelf.py"
    script.write_text(SERVICE, encoding="utf-8")
    with AgentProcess(script, daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")
        yield daemon.port


def test_the_page_has_its_commands() -> None:
    assert len(RUNS) > 15


@pytest.mark.parametrize("run", RUNS, ids=range(len(RUNS)))
def test_a_command_prints_what_the_page_says(port: int, run: list[tuple[str, str]]) -> None:
    script = "\n".join(command for command, _ in run).replace(":8800/", f":{port}/")
    found = subprocess.run(
        ["bash", "-c", f"{script}\nwait"], capture_output=True, text=True, timeout=30, check=False
    )
    assert found.stderr == ""
    if len(run) == 1:
        assert re.fullmatch(words_of(run[0][1].rstrip()), found.stdout.rstrip(), re.DOTALL)
    for line in "".join(prints for _, prints in run).splitlines():
        assert re.search(f"^{words_of(line)}$", found.stdout, re.MULTILINE), found.stdout


def words_of(text: str) -> str:
    return ".*".join(map(re.escape, text.split("…")))
