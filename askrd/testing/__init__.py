"""Testing services without sockets, in virtual time, or with a real daemon of their own."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from askrd.testing.daemon_process import DaemonProcess as DaemonProcess
    from askrd.testing.memory_daemon import MemoryDaemon as MemoryDaemon
    from askrd.testing.together import Stub as Stub, TestAskr as TestAskr, run as run
    from askrd.testing.virtual_time import VirtualTimeLoop as VirtualTimeLoop

_HOMES = {
    "DaemonProcess": "askrd.testing.daemon_process",
    "MemoryDaemon": "askrd.testing.memory_daemon",
    "Stub": "askrd.testing.together",
    "TestAskr": "askrd.testing.together",
    "run": "askrd.testing.together",
    "VirtualTimeLoop": "askrd.testing.virtual_time",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'askrd.testing' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
