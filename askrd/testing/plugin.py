"""The pytest plugin: fixtures with a real daemon, loaded by pytest in every project that has askrd.

Nothing heavy is imported here, because pytest imports it whether a test needs it or not.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from askrd.testing.daemon_process import DaemonProcess


@pytest.fixture
def askr_daemon() -> "Iterator[DaemonProcess]":
    """A real `askrd serve` on a free port and a private unix socket, stopped by SIGTERM."""
    from askrd.testing.daemon_process import DaemonProcess

    with DaemonProcess() as daemon:
        yield daemon
