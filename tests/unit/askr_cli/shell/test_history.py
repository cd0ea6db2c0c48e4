"""What the shell remembers, and what it must not."""

import stat

import pytest

from askr_cli.shell.history import LINES_MAX, ShellHistory, history_path, looks_secret, search


@pytest.mark.parametrize(
    "line",
    [
        "send login password=hunter2",
        'send login {"Password": "x"}',
        "send x token:=1",
        "send x api_key=abc",
        'send x {"key": 1}',
        "state set secrets/db x",
        "send x --passphrase y",
        "send ask1_abcdef",
    ],
)
def test_a_line_that_looks_like_a_secret_is_one(line: str) -> None:
    assert looks_secret(line)


@pytest.mark.parametrize("line", ["send monkey=1", "state get keys/a", "send fetch depth:=2"])
def test_an_ordinary_line_is_none(line: str) -> None:
    assert not looks_secret(line)


def test_lines_survive_and_secrets_do_not(tmp_path) -> None:
    path = tmp_path / "askr" / "history"
    history = ShellHistory(path)
    for line in ("send fetch", "send login token=abc", "send x {\n1}", "send fetch"):
        history.append_string(line)
    assert "token" not in path.read_text()
    assert list(ShellHistory(path).load_history_strings()) == ["send fetch", "send x {\n1}"]
    assert history.get_strings()[1] == "send login token=abc"


def test_only_the_owner_reads_the_file(tmp_path) -> None:
    path = tmp_path / "history"
    path.touch(mode=0o644)
    ShellHistory(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_is_no_trouble(tmp_path) -> None:
    (tmp_path / "file").touch()
    history = ShellHistory(tmp_path / "file" / "history")
    history.append_string("send fetch")
    assert history.get_strings() == ["send fetch"]


def test_a_long_file_is_cut_to_its_newest_lines(tmp_path) -> None:
    path = tmp_path / "history"
    line = "send x " + "a" * 150
    history = ShellHistory(path)
    for number in range(LINES_MAX + 1_000):
        history.store_string(f"{line} {number}")
    newest = list(ShellHistory(path).load_history_strings())
    assert len(newest) == LINES_MAX
    assert newest[0] == f"{line} {LINES_MAX + 999}"


def test_the_file_is_where_state_belongs(tmp_path) -> None:
    assert history_path({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "askr" / "history"
    assert history_path({"HOME": str(tmp_path)}) == tmp_path / ".local/state/askr/history"


def test_search_finds_the_text_first_and_its_letters_next() -> None:
    lines = ["send agent.fetch", "listen FETCHED_TIME", "state get fe", "send agent.fetch"]
    assert search("fet", lines) == ["send agent.fetch", "listen FETCHED_TIME"]
    assert search("sgf", lines) == ["send agent.fetch", "state get fe"]
    assert search("", lines) == lines[:3]
