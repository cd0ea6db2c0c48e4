"""The program `askrd` from outside: its command line, its configuration, and how it refuses."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from askrd.__main__ import app
from askrd.config import KEYS, default_toml
from askrd.version import BUILD, VERSION

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASKRD_")}
    return kept | {"PYTHONPATH": str(REPOSITORY), "XDG_RUNTIME_DIR": "/run/user/7"} | settings


def askrd(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "askrd", *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def refused(*arguments: str, **settings: str) -> str:
    """Runs a command that must exit 2 with one sentence, and returns the sentence."""
    done = askrd(*arguments, **settings)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("askrd: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("askrd: ").rstrip("\n")


def refused_json(*arguments: str, **settings: str) -> dict[str, Any]:
    """Runs a command that must exit 2 and answer in JSON, and returns the error."""
    done = askrd(*arguments, **settings)
    assert done.returncode == 2
    answer = json.loads(done.stdout)
    assert answer["ok"] is False
    assert done.stderr == f"askrd: {answer['error']['message']}\n"
    error: dict[str, Any] = answer["error"]
    return error


def test_version_is_printed() -> None:
    done = askrd("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"askrd {VERSION} ({BUILD}, askr/1")


@pytest.mark.parametrize("arguments", [("--version", "--json"), ("--json", "--version")])
def test_version_is_json_on_demand(arguments: tuple[str, str]) -> None:
    answer = json.loads(askrd(*arguments).stdout)
    assert (answer["version"], answer["build"], answer["protocol"]) == (VERSION, BUILD, "askr/1")


def test_default_file_is_printed_and_accepted(tmp_path: Path) -> None:
    done = askrd("config", "default")
    assert (done.returncode, done.stdout, done.stderr) == (0, default_toml(), "")
    file = tmp_path / "askrd.toml"
    file.write_text(done.stdout)
    checked = askrd("config", "check", str(file))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == f"ok: {file} (0 of {len(KEYS)} settings set)\n"


def test_default_is_json_on_demand() -> None:
    answer = json.loads(askrd("config", "default", "--json").stdout)
    assert [key["key"] for key in answer["keys"]] == [key.name for key in KEYS]


def test_bad_file_is_refused_with_its_exact_place(tmp_path: Path) -> None:
    file = tmp_path / "askrd.toml"
    file.write_text('[limits]\npayload_bytes_max = "big"\n')
    sentence = f"file {file}: Expected `int`, got `str` - at `$.limits.payload_bytes_max`"
    assert refused("config", "check", str(file)) == sentence
    assert refused("config", "check", "--config", str(file)) == sentence
    assert refused("serve", "--config", str(file)) == sentence
    assert refused("config", "show", ASKRD_CONFIG=str(file)) == sentence


def test_check_of_a_file_does_not_look_at_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "askrd.toml"
    file.write_text('workspace = "a"\n')
    settings = {"ASKRD_LOG_LEVEL": "loud"}
    answer = json.loads(askrd("config", "check", str(file), "--json", **settings).stdout)
    assert answer == {"ok": True, "file": str(file), "set": ["workspace"]}
    assert "environment ASKRD_LOG_LEVEL: " in refused("config", "check", **settings)


def test_show_prints_toml_that_sets_the_same_values() -> None:
    done = askrd(
        "config", "show", "--origin", ASKRD_DRAIN_S="5s", ASKRD_LIMITS_SUBSCRIPTIONS_MAX="7"
    )
    shown = tomllib.loads(done.stdout)
    assert shown["listen"] == ["ws://127.0.0.1:8800", "unix:/run/user/7/askr/askrd.sock"]
    assert (shown["drain_s"], shown["limits"]["subscriptions_max"]) == (5, 7)
    origins = {line.split(" = ")[0]: line.split("  # ")[1] for line in done.stdout.splitlines()}
    assert len(origins) == len(KEYS)
    assert {name: origin for name, origin in origins.items() if origin != "default"} == {
        "drain_s": "environment ASKRD_DRAIN_S",
        "limits.subscriptions_max": "environment ASKRD_LIMITS_SUBSCRIPTIONS_MAX",
    }


def test_show_has_the_logs_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "askrd.toml"
    file.write_text('[[logs]]\nname = "orders"\npatterns = ["orders.**"]\n')
    shown = tomllib.loads(askrd("config", "show", "--config", str(file)).stdout)
    (log,) = shown["logs"]
    assert (log["name"], log["count"]) == ("orders", 100_000)
    as_json = json.loads(askrd("config", "show", "--json", "--config", str(file)).stdout)
    assert as_json["config"]["logs"] == [log]


def test_show_without_origin_has_no_comments() -> None:
    assert "#" not in askrd("config", "show").stdout


def test_show_is_json_on_demand(tmp_path: Path) -> None:
    file = tmp_path / "askrd.toml"
    file.write_text("insecure = true\n")
    done = askrd("--json", "config", "show", "--origin", "--config", str(file))
    answer = json.loads(done.stdout)
    assert answer["config"]["insecure"] is True
    assert answer["origin"]["insecure"] == f"file {file}"
    assert set(answer["config"]) == set(answer["origin"]) == {key.name for key in KEYS}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "no command given. Start the daemon: askrd serve"),
        (("config",), "Missing command."),
        (("srve",), "Did you mean 'serve'?"),
        (("serve", "--bogus"), "No such option: --bogus. See: askrd serve --help"),
        (("serve", "extra"), "unexpected extra argument"),
        (("serve", "--listen"), "requires an argument"),
        (("serve", "--data"), "requires an argument"),
        (("backup", "/tmp/b"), "no data directory is set"),
        (("restore",), "Missing argument"),
        (("serve", "--listen", "wss://127.0.0.1:1"), "TLS needs a certificate"),
        (("serve", "--listen", "8800"), "flag --listen: '8800' is not a URL"),
        (("serve", "--drain", "soon"), "flag --drain: 'soon' is not a duration"),
        (("serve", "--workspace", "A b"), "'A b' is not a workspace name"),
        (("serve", "--log-level", "loud"), "flag --log-level: Invalid enum value 'loud'"),
        (
            ("serve", "--config", "/nonexistent/f"),
            "there is no such file. Write one: askrd config default >",
        ),
        (("config", "check", "a", "--config", "b"), "two files to check"),
    ],
)
def test_bad_command_line_is_refused_with_one_sentence(
    arguments: tuple[str, ...], part: str
) -> None:
    assert part in refused(*arguments)
    if arguments:
        assert part in refused_json("--json", *arguments)["message"]


def test_address_beyond_this_machine_is_refused_with_the_command_that_allows_it() -> None:
    error = refused_json("serve", "--listen", "ws://0.0.0.0:0", "--json")
    assert error["code"] == "bad_request"
    assert error["message"].endswith("askrd serve --listen ws://0.0.0.0:0 --insecure")
    assert error["details"] == {"exposed": ["ws://0.0.0.0:0"]}
    assert error["retryable"] is False


def test_refusal_cannot_drive_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "askrd.toml"
    file.write_text('"a\\u001b[2J" = 1\nlog_level = "x"\n')
    hostile = "\x1b[2J\x9b1m\nforged"
    assert r"\x1b[2J" in refused("config", "check", str(file))
    assert r"\x1b[2J\x9b1m\nforged" in refused("serve", "--log-level", hostile)
    assert r"\x1b[2J\x9b1m" in refused("serve", f"--{hostile}")


@pytest.mark.parametrize(
    "arguments",
    [("config", "default"), ("config", "show", "--json"), ("--help",), ("nope", "--json")],
)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_broken_pipe_is_quiet(arguments: tuple[str, ...], unbuffered: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "askrd", *arguments],
            env=environment(PYTHONUNBUFFERED=unbuffered),
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(write_end)
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr
    assert done.returncode == (2 if "nope" in arguments else 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is not there")
def test_answer_that_cannot_be_written_is_a_failure() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "askrd", "config", "show"],
            env=environment(PYTHONUNBUFFERED=""),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "askrd: cannot write the answer to stdout (No space left on device)\n"


@pytest.mark.parametrize("arguments", [(), ("serve",), ("config",), ("config", "show")])
def test_help_is_plain_text_on_stdout(arguments: tuple[str, ...]) -> None:
    done = askrd(*arguments, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: askrd")
    assert "\x1b" not in done.stdout


def _commands(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from _commands(inner)


def test_every_command_has_json() -> None:
    commands = list(_commands(typer.main.get_command(app)))
    assert len(commands) == 8
    without = [
        command.name
        for command in commands
        if not any("--json" in option.opts for option in command.params)
    ]
    assert without == []


def test_only_serve_imports_the_machinery_of_the_daemon() -> None:
    probe = (
        "import sys; from askrd.__main__ import run; code = run(['config', 'show']); "
        "print(sorted({'asyncio', 'uvloop', 'websockets', 'rich', 'askrd.daemon', 'logging'} "
        "& set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
