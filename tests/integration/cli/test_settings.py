"""Black box: flag before environment before `.askr.toml` before the person's own file."""

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer, TextService

pytestmark = pytest.mark.integration


def own_file(askr: Askr, text: str) -> None:
    folder = askr.cwd / ".config" / "askr"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text, encoding="utf-8")


def project_file(askr: Askr, text: str) -> None:
    (askr.cwd / ".askr.toml").write_text(text, encoding="utf-8")


def ttl_ms(askr: Askr, *words: str) -> int:
    told = askr("send", "lab.ttl", *words)
    assert told.code == 0, told
    return int(told.out)


@pytest.mark.usefixtures("service")
def test_the_timeout_comes_from_the_nearest_layer(askr: Askr) -> None:
    assert 29_000 < ttl_ms(askr) <= 30_000
    own_file(askr, 'timeout = "11s"\n')
    assert 10_000 < ttl_ms(askr) <= 11_000
    project_file(askr, "timeout = 12\n")
    assert 11_000 < ttl_ms(askr) <= 12_000
    askr.environ["ASKR_TIMEOUT"] = "13s"
    assert 12_000 < ttl_ms(askr) <= 13_000
    assert 13_000 < ttl_ms(askr, "--timeout", "14s") <= 14_000
    assert 13_000 < ttl_ms(askr, "--timeout", "14") <= 14_000
    assert 59_000 < ttl_ms(askr, "--timeout", "1m") <= 60_000
    assert 3_599_000 < ttl_ms(askr, "--timeout", "1h") <= 3_600_000


def test_the_workspace_comes_from_the_nearest_layer(askr: Askr, daemon: DaemonProcess) -> None:
    for workspace in ("own", "project", "named", "flag", "askr"):
        with TextPeer(daemon.unix_url, workspace=workspace) as peer:
            told = peer.ask(k="put", id=1, key="settings/where", d=workspace)
            assert told["k"] == "ok"

    def where(*words: str) -> str:
        return askr("state", "get", "settings/where", *words).out.strip('"\n')

    assert where() == "askr"
    own_file(askr, 'workspace = "own"\n')
    assert where() == "own"
    project_file(askr, 'workspace = "project"\n')
    assert where() == "project"
    askr.environ["ASKR_WORKSPACE"] = "named"
    assert where() == "named"
    assert where("-w", "flag") == "flag"
    assert where("--workspace", "global") == "askr"


def test_the_persons_file_can_be_named(askr: Askr, daemon: DaemonProcess) -> None:
    (askr.cwd / "mine.toml").write_text('workspace = "mine"\n', encoding="utf-8")
    askr.environ["ASKR_CONFIG"] = str(askr.cwd / "mine.toml")
    with TextService(daemon.unix_url, "own", {}):
        assert [row["service"] for row in askr("services", "--json").json] == []


@pytest.mark.parametrize(
    "text",
    ['context = "x"\n', 'key_file = "x"\n', 'ulr = "x"\n', "url = 1\n", "no toml", "[x]\n",
     'timeout = "soon"\n', 'workspace = "A B"\n', 'url = "ftp://x"\n'],
)  # fmt: skip
def test_a_wrong_project_file_exits_2_and_is_named(askr: Askr, text: str) -> None:
    project_file(askr, text)
    del askr.environ["ASKR_URL"]
    told = askr("ping", "--json")
    assert (told.code, told.json["error"]["code"]) == (2, "usage")
    assert ".askr.toml" in told.err


@pytest.mark.parametrize("text", ["0", "5x", "-1s", "", "1 m s", "1194h", "99999h", "ms"])
def test_what_is_no_duration_exits_2(askr: Askr, text: str) -> None:
    told = askr("ping", "--timeout", text, "--json")
    assert (told.code, told.json["error"]["code"]) == (2, "usage")


def test_a_duration_of_the_environment_is_checked_too(askr: Askr) -> None:
    askr.environ["ASKR_TIMEOUT"] = "soon"
    told = askr("ping", "--json")
    assert (told.code, "environment" in told.err) == (2, True)
