"""What systemd wants to hear from a service of Type=notify, without any library.

Source: sd_notify(3) and sd_watchdog_enabled(3).
"""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Tells systemd how the daemon is doing; silent when nobody asked.

    A message that cannot be delivered is dropped: the daemon does not depend on its supervisor.

    Args:
        environ: where `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` may stand.
        pid: this process, for which alone a `WATCHDOG_PID` counts.

    Attributes:
        watchdog_interval_s: how often to call `watchdog`, half of what systemd allows; None
            when systemd does not watch this process.
    """

    def __init__(self, environ: Mapping[str, str], *, pid: int | None = None) -> None:
        self._address = _socket_address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval_s = (
            None if self._address is None else _watchdog_interval_s(environ, pid or os.getpid())
        )

    def ready(self, status: str = "") -> None:
        """Says that every address is listened on; units that wait for askrd start now."""
        self._send("READY=1", _status(status))

    def status(self, status: str) -> None:
        """Says in one line what the daemon is doing; `systemctl status` shows it."""
        self._send(_status(status))

    def stopping(self, status: str = "") -> None:
        """Says that the daemon was asked to stop and drains."""
        self._send("STOPPING=1", _status(status))

    def watchdog(self) -> None:
        """Says that the loop still turns; call it from the loop itself."""
        self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        if self._address is None:
            return
        datagram = "\n".join(filter(None, assignments)).encode("utf-8", "backslashreplace")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0)
            try:
                sender.sendto(datagram, self._address)
            except OSError:
                return


def _socket_address(text: str) -> str | None:
    """Returns the address for `sendto`: a path, or an abstract name behind `@`."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else None


def _watchdog_interval_s(environ: Mapping[str, str], pid: int) -> float | None:
    allowed_us = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    if not (allowed_us.isascii() and allowed_us.isdigit() and int(allowed_us)):
        return None
    return int(allowed_us) / 2 / 1_000_000


def _status(status: str) -> str:
    return "STATUS=" + " ".join(status.split()) if status else ""
