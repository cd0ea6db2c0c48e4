"""Holds what the Tab key offers, from names that were kept and without a connection."""

import time
from pathlib import Path

import pytest

from askr_cli.completion import candidates
from askr_cli.known_names import KnownNames, file_of, load, save
from askr_cli.profile import Profile
from tests.unit.askr_cli.terminals import KeptTerminal

COMMANDS = ("fetch", "stop")
NAMES = KnownNames(
    services=["agent", "cache"],
    commands=["agent.fetch", "agent.stop", "cache.a.b", "cache.stop"],
    events=["FETCHED_TIME", "x;reboot", "a b"],
    keys=["config/theme"],
    instances={"agent": ["k3Tz9a", "p01x7d"]},
    requests={
        "agent.fetch": {
            "type": "object",
            "properties": {
                "item": {"type": "object"},
                "mode": {"enum": ["fast", "very slow"]},
                "$(reboot)": {"type": "integer"},
            },
            "required": ["item"],
        }
    },
)


@pytest.fixture
def terminal(tmp_path: Path) -> KeptTerminal:
    environ = {"XDG_CACHE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "none")}
    NAMES.saved_at = time.time()
    save(file_of(Profile(), environ), NAMES)
    return KeptTerminal(environ=environ)


def offered(terminal: KeptTerminal, *words: str) -> list[str]:
    return [one.name for one in candidates(terminal, words)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("se",), ["send", "services"]),
        (("--json", "pi"), ["ping"]),
        (("--url", "ws://a:1", "pi"), ["ping"]),
        (
            ("state", ""),
            [
                "get",
                "set",
                "patch",
                "incr",
                "touch",
                "rm",
                "ls",
                "history",
                "watch",
                "export",
                "import",
            ],
        ),
        (("state", "patch", "c"), ["config/theme"]),
        (("state", "import", ""), [""]),
        (("state", "import", "--prefix", ""), ["config/theme"]),
        (("state", "w"), ["watch"]),
        (("send", ""), ["agent.fetch", "agent.stop", "cache.a.b", "cache.stop", "fetch"]),
        (("send", "agent."), ["agent.fetch", "agent.stop"]),
        (("send", "--timeout", "5s", "f"), ["fetch"]),
        (("send", "agent@"), [f"agent@{i}.{c}" for i in ("k3Tz9a", "p01x7d") for c in COMMANDS]),
        (("send", "agent@p01x7d.f"), ["agent@p01x7d.fetch"]),
        (("send", "fetch", ""), ["item:=", "mode="]),
        (("send", "fetch", "--exclude", ""), ["k3Tz9a", "p01x7d"]),
        (("send", "fetch", "--exclude", "k3Tz9a", "--quo"), ["--quorum"]),
        (("send", "fetch", "--in", ""), [""]),
        (("send", "--timeout", "5s", "agent.fetch", "i"), ["item:="]),
        (("send", "agent@k3Tz9a.fetch", "item:={}", ""), ["mode="]),
        (("send", "fetch", "mode="), ["mode=fast"]),
        (("send", "nope", ""), []),
        (("send", "fetch", "item:=@"), [""]),
        (("send", "fetch", "--raw-payload", ""), [""]),
        (("emit", "FETCHED_TIME", ""), []),
        (("describe", "c"), ["cache.a.b", "cache.stop", "cache"]),
        (("listen", "FE"), ["FETCHED_TIME"]),
        (("listen", "FETCHED_TIME", "FE"), ["FETCHED_TIME"]),
        (("listen", "--from", ""), ["agent", "cache"]),
        (("emit", "F"), ["FETCHED_TIME"]),
        (("state", "get", ""), ["config/theme"]),
        (("state", "watch", "c"), ["config/theme"]),
        (("send", "--raw"), ["--raw-payload", "--raw"]),
        (("--wor",), ["--workspace"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("completion", "bash", ""), ["install"]),
        (("detach", "a"), ["agent"]),
        (("jobs", "p"), ["purge"]),
        (("jobs", "list", "--state", "d"), ["done", "dead"]),
        (("jobs", "list", "agent.f"), ["agent.fetch"]),
        (("jobs", "show", ""), []),
        (("logs", "show", ""), []),
        (("listen", "--start", ""), ["first", "new"]),
        (("listen", "--log", ""), []),
        (("help", "st"), ["state"]),
        (("help", "exi"), ["exits"]),
        (("nope", ""), []),
        (("ping", ""), []),
    ],
)
def test_tab_offers(terminal: KeptTerminal, words: tuple[str, ...], names: list[str]) -> None:
    assert offered(terminal, *words) == names


def test_names_that_a_shell_could_execute_are_not_offered(terminal: KeptTerminal) -> None:
    assert offered(terminal, "listen", "") == ["FETCHED_TIME"]


def test_names_of_another_daemon_are_not_offered(terminal: KeptTerminal) -> None:
    assert offered(terminal, "send", "--url", "ws://127.0.0.1:1", "") == []


def test_kept_names_grow_old() -> None:
    assert KnownNames(saved_at=time.time() - 59).fresh
    assert not KnownNames(saved_at=time.time() - 61).fresh
    assert not KnownNames(saved_at=time.time() + 1_000).fresh


def test_names_are_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "below" / "names.json"
    save(path, NAMES)
    assert load(path) == NAMES
    assert [one.name for one in path.parent.iterdir()] == ["names.json"]


@pytest.mark.parametrize("text", ["", "{", '{"services": 5}', "\udc80"])
def test_a_broken_file_holds_no_names(tmp_path: Path, text: str) -> None:
    path = tmp_path / "names.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert load(path) == KnownNames()


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    save(tmp_path / "file" / "names.json", NAMES)
    save(None, NAMES)
    assert load(None) == KnownNames()
