"""Finds out which process holds an address, so that "address in use" can name it.

It reads /proc: without root it sees the sockets of everybody, but only one's own processes.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

PROC = Path("/proc")
_LISTENING = "0A"
_UNIX_ACCEPTS = 0x10000


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds an address.

    Attributes:
        pid: its id.
        command: its name, at most 15 characters, control characters escaped.
    """

    pid: int
    command: str

    @property
    def facts(self) -> dict[str, object]:
        """The holder as JSON has it."""
        return {"pid": self.pid, "command": self.command}

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid})"


def holder_of_port(host: str, port: int, *, proc: Path = PROC) -> Holder | None:
    """Returns the process that listens on a TCP port, or None when that cannot be seen.

    Args:
        host: the address that was wanted; a listener on another address of this machine does
            not count, one on every address does. A name matches every listener of the port.
        port: 1 to 65535.
        proc: where /proc is.
    """
    wanted = _address(host)
    inodes = {
        inode
        for address, found_port, inode in _tcp_listeners(proc)
        if found_port == port and _collide(address, wanted)
    }
    return _holder_of_inodes(inodes, proc)


def holder_of_socket(path: Path, *, proc: Path = PROC) -> Holder | None:
    """Returns the process that listens on a unix socket, or None when that cannot be seen."""
    inodes = set()
    for row in _rows(proc / "net/unix"):
        fields = row.split(maxsplit=7)
        if len(fields) == 8 and fields[7] == str(path) and int(fields[3], 16) & _UNIX_ACCEPTS:
            inodes.add(fields[6])
    return _holder_of_inodes(inodes, proc)


def _tcp_listeners(proc: Path) -> Iterator[tuple[IPv4Address | IPv6Address, int, str]]:
    for table in ("net/tcp", "net/tcp6"):
        for row in _rows(proc / table):
            fields = row.split()
            if len(fields) > 9 and fields[3] == _LISTENING:
                address, _, port = fields[1].partition(":")
                yield _from_hex(address), int(port, 16), fields[9]


def _rows(table: Path) -> list[str]:
    try:
        return table.read_text(errors="backslashreplace").splitlines()[1:]
    except OSError:
        return []


def _from_hex(text: str) -> IPv4Address | IPv6Address:
    """Reads an address as the kernel prints it: 32-bit words in the machine's own byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _collide(found: IPv4Address | IPv6Address, wanted: IPv4Address | IPv6Address | None) -> bool:
    return (
        wanted is None
        or found == wanted
        or found.is_unspecified
        or wanted.is_unspecified
        or getattr(found, "ipv4_mapped", None) == wanted
    )


def _holder_of_inodes(inodes: set[str], proc: Path) -> Holder | None:
    targets = {f"socket:[{inode}]" for inode in inodes}
    if not targets:
        return None
    for process in proc.glob("[0-9]*"):
        if _holds(process, targets):
            return Holder(int(process.name), _command(process))
    return None


def _holds(process: Path, targets: set[str]) -> bool:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            if str(descriptor.readlink()) in targets:
                return True
        except OSError:
            continue
    return False


def _command(process: Path) -> str:
    try:
        name = (process / "comm").read_text(errors="backslashreplace").rstrip("\n")
    except OSError:
        return "a process"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name) or "a process"
