"""Holds the order in which a client looks for its daemon."""

import socket
from pathlib import Path

import pytest

from askrd.sdk.where import find
from askrd.wire.errors import BadRequest

PORT = "ws://127.0.0.1:8800"


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

    assert [a.url for a in where.addresses] == [f"unix:{runtime}/askrd.sock", PORT]


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
