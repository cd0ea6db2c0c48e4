"""The runtime directory and the record a daemon leaves in it."""

import json
import os
import stat
from pathlib import Path

import pytest

from askrd.host.whereabouts import (
    CannotListen,
    Record,
    default_directory,
    prepare_directory,
    publish,
    published,
    record_path,
    withdraw,
)
from askrd.wire.addresses import parse_listen

RECORD = Record(addresses=("ws://127.0.0.1:1",), pid=7, version="0.1.0", daemon="d")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_default_directory_follows_the_environment(tmp_path: Path) -> None:
    assert default_directory({"RUNTIME_DIRECTORY": "/run/askr"}) == Path("/run/askr")
    assert default_directory({"XDG_RUNTIME_DIR": "/x"}) == Path("/x/askr")
    assert default_directory({"TMPDIR": "/t"}) == Path(f"/t/askr-{os.getuid()}")


@pytest.mark.parametrize("variable", ["XDG_RUNTIME_DIR", "TMPDIR"])
def test_missing_default_directory_is_made_for_its_owner_alone(
    tmp_path: Path, variable: str
) -> None:
    environ = {variable: str(tmp_path)}
    directory = default_directory(environ)
    prepare_directory(directory, environ)
    assert mode(directory) == 0o700
    prepare_directory(directory, environ)


def test_directory_that_is_open_to_others_is_refused(tmp_path: Path) -> None:
    environ = {"TMPDIR": str(tmp_path)}
    directory = default_directory(environ)
    directory.mkdir()
    directory.chmod(0o750)
    with pytest.raises(CannotListen, match=r"is open to others \(mode 0750\).*chmod 0700"):
        prepare_directory(directory, environ)


def test_link_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    environ = {"TMPDIR": str(tmp_path)}
    (tmp_path / "mine").mkdir(mode=0o700)
    default_directory(environ).symlink_to(tmp_path / "mine")
    with pytest.raises(CannotListen, match="is not a directory, so a stranger could pose"):
        prepare_directory(default_directory(environ), environ)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    environ = {"TMPDIR": str(tmp_path)}
    directory = default_directory(environ)
    directory.mkdir(mode=0o700)
    os.chown(directory, 4711, 4711)
    with pytest.raises(CannotListen, match="belongs to user 4711, not to 0"):
        prepare_directory(directory, environ)


def test_default_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / "missing")}
    with pytest.raises(CannotListen, match=r"cannot make .*No such file.*Set XDG_RUNTIME_DIR"):
        prepare_directory(default_directory(environ), environ)


def test_directory_of_systemd_is_used_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    prepare_directory(tmp_path, {"RUNTIME_DIRECTORY": str(tmp_path)})
    assert mode(tmp_path) == 0o755


def test_named_directory_must_exist(tmp_path: Path) -> None:
    prepare_directory(tmp_path, {})
    with pytest.raises(CannotListen, match=r"does not exist; nothing was started\. Make it: mkdir"):
        prepare_directory(tmp_path / "missing", {})


def test_record_stands_beside_the_first_socket(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": "/x"}
    tcp = parse_listen("ws://127.0.0.1:0")
    assert record_path([tcp], environ) == Path("/x/askr/askrd.json")
    sockets = [tcp, parse_listen("unix:/a/b.sock"), parse_listen("unix:/c/d.sock")]
    assert record_path(sockets, environ) == Path("/a/askrd.json")


def test_record_is_private_json_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "askrd.json"
    publish(path, RECORD)
    assert json.loads(path.read_text()) == {
        "addresses": ["ws://127.0.0.1:1"],
        "pid": 7,
        "version": "0.1.0",
        "daemon": "d",
    }
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert published(path) == RECORD


def test_record_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "askrd.json"
    path.symlink_to(victim)
    publish(path, RECORD)
    assert (victim.read_text(), path.is_symlink(), published(path)) == ("precious", False, RECORD)


def test_record_that_cannot_be_written_is_an_error_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "askrd.json"
    path.mkdir()
    with pytest.raises(CannotListen, match=r"cannot write .*askrd\.json \(Is a directory\)"):
        publish(path, RECORD)
    assert list(tmp_path.iterdir()) == [path]


def test_own_record_is_withdrawn(tmp_path: Path) -> None:
    path = tmp_path / "askrd.json"
    publish(path, RECORD)
    assert withdraw(path, RECORD) is True
    assert withdraw(path, RECORD) is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not json", b'{"pid":"x"}', b"[" * 100_000])
def test_foreign_file_is_not_withdrawn(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "askrd.json"
    path.write_bytes(content)
    assert withdraw(path, RECORD) is False
    assert path.read_bytes() == content


def test_record_of_a_later_daemon_stays(tmp_path: Path) -> None:
    path = tmp_path / "askrd.json"
    later = Record(addresses=RECORD.addresses, pid=8, version="0.1.0", daemon="e")
    publish(path, RECORD)
    publish(path, later)
    assert withdraw(path, RECORD) is False
    assert published(path) == later
