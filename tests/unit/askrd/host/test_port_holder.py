"""Who holds an address, found in the real /proc of this process."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.host.port_holder import Holder, holder_of_port, holder_of_socket

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")

OWN_COMMAND = Path("/proc/self/comm").read_text().strip() if Path("/proc/self").exists() else ""


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::1", "::"])
def listener(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    host = request.param
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        try:
            listening.bind((host, 0))
        except OSError:
            pytest.skip(f"{host} is not available here")
        listening.listen()
        yield host, listening.getsockname()[1]


def test_own_port_is_held_by_this_process(listener: tuple[str, int]) -> None:
    host, port = listener
    assert holder_of_port(host, port) == Holder(os.getpid(), OWN_COMMAND)
    assert holder_of_port("localhost", port) == Holder(os.getpid(), OWN_COMMAND)


def test_listener_on_another_address_does_not_count() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert holder_of_port("127.0.0.2", port) is None
        assert holder_of_port("0.0.0.0", port) is not None


def test_free_port_is_held_by_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert holder_of_port("127.0.0.1", port) is None


def test_own_unix_socket_is_held_by_this_process(tmp_path: Path) -> None:
    path = tmp_path / "a b.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        assert holder_of_socket(path) is None
        listening.listen()
        assert holder_of_socket(path) == Holder(os.getpid(), OWN_COMMAND)
    assert holder_of_socket(path) is None


def test_what_cannot_be_seen_is_none(tmp_path: Path) -> None:
    assert holder_of_port("127.0.0.1", 1, proc=tmp_path) is None
    assert holder_of_socket(tmp_path / "s", proc=tmp_path) is None


def test_listener_of_an_invisible_process_is_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        (tmp_path / "net").symlink_to("/proc/self/net")
        assert holder_of_port("127.0.0.1", listening.getsockname()[1], proc=tmp_path) is None


def test_hostile_command_name_is_escaped(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        (tmp_path / "net").symlink_to("/proc/self/net")
        process = tmp_path / "7"
        process.mkdir()
        (process / "fd").symlink_to("/proc/self/fd")
        (process / "comm").write_bytes(b"a\x1b[2J\nb\xff\n")
        holder = holder_of_port("127.0.0.1", listening.getsockname()[1], proc=tmp_path)
    assert str(holder) == r"a\x1b[2J\nb\xff (pid 7)"
    assert holder is not None
    assert holder.facts == {"pid": 7, "command": r"a\x1b[2J\nb\xff"}
