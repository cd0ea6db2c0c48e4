"""`askr demo`: the whole story with real processes, and nothing left behind however it ends."""

import ast
import json
import re
import signal
from pathlib import Path

import pytest

from askr_cli.demo_stage import Stage, StageFailed
from tests.integration.cli.program import Askr

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def askr(tmp_path: Path) -> Askr:
    """Runs `askr` with a temporary directory of its own, so that leftovers would be seen."""
    program = Askr(tmp_path)
    program.environ["TMPDIR"] = str(tmp_path)
    return program


def processes_in(directory: Path) -> list[int]:
    """Ids of the processes whose environment names ``directory`` as their runtime directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environ = (entry / "environ").read_bytes() if entry.name.isdecimal() else b""
        except OSError:
            continue
        if f"XDG_RUNTIME_DIR={directory}/askr-demo-".encode() in environ:
            found.append(int(entry.name))
    return found


def leftovers(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.startswith("askr-demo-")]


def test_the_story_is_told_and_everything_is_stopped(askr: Askr, tmp_path: Path) -> None:
    told = askr("demo")
    assert told.code == 0, told
    lines = told.out.splitlines()
    commands = [line for line in lines if line.startswith("$ ")]
    assert [re.sub("--listen .*", "...", line) for line in commands] == [
        "$ askrd serve ...",
        "$ python demo_agent.py &",
        "$ askr services",
        "$ askr send fetch",
        "$ askr send start",
        "$ askr listen FETCHED_TIME --count 3",
        "$ askr send stop",
        "$ askr send nope",
    ]
    assert sum(bool(re.match(r"[\d:.]+ FETCHED_TIME ", line)) for line in lines) == 3
    assert any("no service offers 'nope'" in line for line in lines)
    assert told.err == ""
    assert (leftovers(tmp_path), processes_in(tmp_path)) == ([], [])


def test_json_is_one_object_with_every_step(askr: Askr) -> None:
    told = askr("demo", "--json")
    assert told.code == 0, told
    result = told.json
    assert result["ok"] is True
    assert [(step["command"], step["exit"], step["ok"]) for step in result["steps"]] == [
        ("askr services", 0, True),
        ("askr send fetch", 0, True),
        ("askr send start", 0, True),
        ("askr listen FETCHED_TIME --count 3", 0, True),
        ("askr send stop", 0, True),
        ("askr send nope", 5, True),
    ]
    assert json.loads(result["steps"][1]["output"])["type"] == "FETCHED_TIME"


@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_in_the_middle_leaves_nothing_behind(
    askr: Askr, tmp_path: Path, sign: int, code: int
) -> None:
    with askr.running("demo") as run:
        while not run.line().startswith("$ askr listen"):
            pass
        assert len(processes_in(tmp_path)) >= 2
        assert run.stop(sign).code == code
    assert (leftovers(tmp_path), processes_in(tmp_path)) == ([], [])


def test_settings_of_the_person_and_a_long_temporary_path_do_not_disturb_it(
    askr: Askr, tmp_path: Path
) -> None:
    long = tmp_path / ("deep" * 40)
    long.mkdir()
    askr.environ |= {
        "ASKR_URL": "unix:/nonexistent",
        "ASKR_WORKSPACE": "other",
        "TMPDIR": str(long),
    }
    (tmp_path / ".askr.toml").write_text('url = "unix:/nonexistent"\n')
    assert askr("demo", "--json").code == 0


def test_another_daemon_is_refused(askr: Askr) -> None:
    refused = askr("demo", "--url", "ws://127.0.0.1:1")
    assert refused.code == 2
    assert "leave --url" in refused.err


def test_a_service_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    agent = tmp_path / "broken.py"
    agent.write_text("raise SystemExit('no time today')\n")
    stage = Stage(tmp_path, [].append, agent)
    with pytest.raises(StageFailed, match="ended with 1 at once"), stage.running():
        pytest.fail("it cannot run")
    assert "agent: no time today" in stage.last_words()


def test_the_agent_of_the_demo_is_the_example() -> None:
    shipped, example = ROOT / "askr_cli" / "demo_agent.py", ROOT / "examples" / "time_agent.py"
    assert program_of(shipped) == program_of(example)


def program_of(path: Path) -> str:
    """What a file does: its syntax tree without annotations and docstrings of functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
            node.body = node.body[1:] if ast.get_docstring(node) and node.body[1:] else node.body
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.ImportFrom) and node.module == "typing")
    ]
    return ast.unparse(tree)
