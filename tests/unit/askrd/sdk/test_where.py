"""Holds the order in which a client looks for its daemon."""

import json
import socket
from pathlib import Path

import pytest

from askrd.sdk.where import find, find_datagrams
from askrd.wire.errors import BadRequest

PORT = "ws://127.0.0.1:8800"
RAW_PORT = "tcp://127.0.0.1:8800"


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "askr"
    path.mkdir(parents=True)
    return path


def environ(runtime: Path, **more: str) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(runtime.parent), **more}


def test_what_is_given_wins(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / ".askr.toml").write_text('url = "tcp://project:1"\nworkspace = "project"')
    where = find(
        "tcp://given:1",
        "given",
        environ=environ(runtime, ASKR_URL="tcp://variable:1", ASKR_WORKSPACE="variable"),
        cwd=tmp_path,
    )

    assert (where.url, where.workspace) == ("tcp://given:1", "given")


def test_the_environment_comes_before_the_project(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / ".askr.toml").write_text('url = "tcp://project:1"\nworkspace = "project"')

    where = find(environ=environ(runtime, ASKR_URL="unix:/run/a.sock"), cwd=tmp_path)

    assert (where.url, where.workspace) == ("unix:/run/a.sock", "project")


def test_the_nearest_project_upwards_counts(runtime: Path, tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / ".askr.toml").write_text('url = "tcp://far:1"')
    (tmp_path / "a" / ".askr.toml").write_text('url = "tcp://near:1"\nworkspace = "global"')

    where = find(environ=environ(runtime), cwd=inner)

    assert (where.url, where.workspace) == ("tcp://near:1", "askr")


def test_without_a_socket_it_is_the_default_port(runtime: Path, tmp_path: Path) -> None:
    assert find(environ=environ(runtime), cwd=tmp_path).url == PORT


def test_the_local_socket_comes_first_and_the_port_stands_behind_it(
    runtime: Path, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(runtime / "askrd.sock"))

        where = find(environ=environ(runtime), cwd=tmp_path)

    assert [a.url for a in where.addresses] == [f"unix:{runtime}/askrd.sock", RAW_PORT, PORT]


@pytest.mark.parametrize(
    ("text", "message"),
    [("url = ", "is not TOML"), ("url = 7", "quote it"), ('url = "nowhere"', "is not a URL")],
)
def test_a_bad_project_file_is_named(
    text: str, message: str, runtime: Path, tmp_path: Path
) -> None:
    (tmp_path / ".askr.toml").write_text(text)

    with pytest.raises(BadRequest, match=message):
        find(environ=environ(runtime), cwd=tmp_path)


def test_a_bad_workspace_is_refused(runtime: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        find(workspace="Not A Name", environ=environ(runtime), cwd=tmp_path)


@pytest.mark.parametrize("name", ["ASKR_CONTEXT", "ASKR_KEY_FILE"])
def test_what_is_not_built_is_refused(name: str, runtime: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="not built yet"):
        find(environ=environ(runtime, **{name: "x"}), cwd=tmp_path)


def test_a_deleted_directory_has_no_project(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert find(environ=environ(runtime)).url == PORT


def test_what_the_daemon_wrote_down_stands_between_socket_and_port(runtime: Path) -> None:
    record = runtime / "askrd.json"
    record.write_text('{"addresses":["ws://127.0.0.1:9000","ws://127.0.0.1:8800"],"pid":1}')
    assert find(environ=environ(runtime)).url == f"ws://127.0.0.1:9000, {PORT}"


@pytest.mark.parametrize("text", ["", "{", '{"addresses":1}', '{"addresses":["gopher://x"]}'])
def test_a_record_that_cannot_be_read_is_passed_over(text: str, runtime: Path) -> None:
    (runtime / "askrd.json").write_text(text)
    assert find(environ=environ(runtime)).url == PORT


def test_the_best_way_comes_first_unix_then_raw_then_websocket(runtime: Path) -> None:
    urls = [
        "ws://127.0.0.1:9000",
        "udp://127.0.0.1:9000",
        "wss://127.0.0.1:9001",
        "tcp://127.0.0.1:9002",
        "unix:/run/other.sock",
    ]
    (runtime / "askrd.json").write_text(json.dumps({"addresses": urls, "pid": 1}))
    where = find(environ=environ(runtime))
    assert [address.url for address in where.addresses] == [
        "unix:/run/other.sock",
        "tcp://127.0.0.1:9000",
        "askrs://127.0.0.1:9001",
        "tcp://127.0.0.1:9002",
        "ws://127.0.0.1:9000",
        "wss://127.0.0.1:9001",
        RAW_PORT,
        PORT,
    ]


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9000", "wss://there:1", "tcp://there:1"])
def test_who_is_told_a_way_stays_on_it(url: str, runtime: Path) -> None:
    assert [address.url for address in find(url, environ=environ(runtime)).addresses] == [url]


def test_compression_is_as_said_then_as_the_environment_says(runtime: Path) -> None:
    def chosen(compress: bool | None, **more: str) -> set[bool | None]:
        where = find(compress=compress, environ=environ(runtime, **more))
        return {address.compress for address in where.addresses}

    assert chosen(None) == {None}
    assert chosen(None, ASKR_COMPRESS="1") == {True}
    assert chosen(False, ASKR_COMPRESS="1") == {False}
    assert chosen(True, ASKR_COMPRESS="0") == {True}


RECORD = json.dumps(
    {"addresses": ["ws://127.0.0.1:9000", "udp://127.0.0.1:9003", "udp://10.0.0.5:9003"], "pid": 1}
)


@pytest.mark.parametrize(
    ("url", "count"),
    [
        (None, 2),
        ("ws://127.0.0.1:9000", 2),
        ("tcp://localhost:9000", 2),
        ("ws://127.0.0.1:9003", 0),
        ("ws://10.0.0.5:9000", 0),
    ],
)
def test_datagrams_go_where_the_daemon_that_is_meant_wrote_down(
    url: str | None, count: int, runtime: Path
) -> None:
    (runtime / "askrd.json").write_text(RECORD)
    ways = find_datagrams(url, environ=environ(runtime))
    assert [way.url for way in ways] == ["udp://127.0.0.1:9003", "udp://10.0.0.5:9003"][:count]


def test_the_record_of_a_socket_stands_beside_it(runtime: Path, tmp_path: Path) -> None:
    told = json.dumps({"addresses": [f"unix:{tmp_path}/a.sock", "udp://127.0.0.1:1"], "pid": 1})
    (tmp_path / "askrd.json").write_text(told)

    def count(name: str) -> int:
        return len(find_datagrams(f"unix:{tmp_path}/{name}", environ=environ(runtime)))

    assert (count("a.sock"), count("b.sock")) == (1, 0)
    assert find_datagrams(None, environ=environ(runtime)) == ()
