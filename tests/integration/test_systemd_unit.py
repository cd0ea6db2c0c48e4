"""The shipped unit: systemd accepts it, finds it well locked, and it fits the daemon."""

import shutil
import subprocess
from pathlib import Path

import pytest

from askrd.config import Config

pytestmark = pytest.mark.integration

UNIT = Path(__file__).parents[2] / "systemd/askrd.service"
EXPOSURE_TENTHS_MAX = 15

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def section(name: str) -> list[tuple[str, str]]:
    """Returns the assignments of one section, in order; a key may come twice."""
    current = ""
    found = []
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif current == name and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.append((key, value))
    return found


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@needs_systemd
def test_unit_is_valid(tmp_path: Path) -> None:
    program = "/usr/local/bin/askrd"
    copy = tmp_path / UNIT.name
    text = UNIT.read_text()
    assert program in text
    copy.write_text(text.replace(program, "/bin/true"))
    done = analyze("verify", "--man=no", str(copy))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_unit_is_well_locked() -> None:
    threshold = f"--threshold={EXPOSURE_TENTHS_MAX}"
    done = analyze("security", "--offline=yes", "--no-pager", threshold, str(UNIT))
    assert done.returncode == 0, done.stdout + done.stderr


def test_unit_waits_for_ready_and_outlasts_the_drain() -> None:
    service = dict(section("Service"))
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "main"
    assert service["KillSignal"] == "SIGTERM"
    assert int(service["TimeoutStopSec"].removesuffix("s")) > Config().drain_s
    assert int(service["WatchdogSec"].removesuffix("s")) > 0
    assert service["RestartPreventExitStatus"] == "2"


def test_unit_starts_the_daemon_with_the_shipped_file() -> None:
    service = dict(section("Service"))
    assert service["ExecStart"] == "/usr/local/bin/askrd serve --config /etc/askr/askrd.toml"
    assert service["RuntimeDirectory"] == service["ConfigurationDirectory"] == "askr"
