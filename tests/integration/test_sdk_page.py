"""Every program on the page about the SDK runs, and prints what the page says it prints."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import askrd
from askrd import Askr, Client
from askrd.testing import DaemonProcess
from askrd.wire.errors import AskrError, ErrorCode
from tests.integration.agent_process import ROOT, AgentProcess

pytestmark = pytest.mark.integration

PAGE = (ROOT / "docs" / "SDK.md").read_text(encoding="utf-8")
PROGRAM = re.compile(
    r'^```python\n(?P<code>"""(?P<name>\w+\.py)"""\n.*?)^```\n(?:\n```text\n(?P<prints>.*?)```\n)?',
    re.MULTILINE | re.DOTALL,
)
CODE = {found["name"]: found["code"] for found in PROGRAM.finditer(PAGE)}
PRINTS = {found["name"]: found["prints"] for found in PROGRAM.finditer(PAGE) if found["prints"]}
SERVICES = [name for name, code in CODE.items() if "agent.run(" in code]
TESTS = [name for name in CODE if name.startswith("test_")]
RUN_TIMEOUT_S = 40.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, code in CODE.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


def finished(
    folder: Path, environ: dict[str, str], *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )


@pytest.fixture
def environ(folder: Path, askr_daemon: DaemonProcess) -> Iterator[dict[str, str]]:
    """Where every service of the page runs."""
    environ = askr_daemon.environ()
    with ExitStack() as stack:
        running = [stack.enter_context(AgentProcess(folder / name, environ)) for name in SERVICES]
        for one in running:
            one.wait_until_it_says("connected to")
        yield environ
        assert [one.end() for one in running] == [0] * len(running)
        assert all(
            "Traceback" not in one.said or "OSError: try again" in one.said for one in running
        )


def test_every_block_of_python_is_run_by_a_test_here() -> None:
    assert PAGE.count("```python") == len(CODE)
    assert sorted(CODE) == sorted([*SERVICES, *PRINTS, *TESTS])


@pytest.mark.parametrize("name", PRINTS)
def test_program_prints_what_the_page_says(
    folder: Path, environ: dict[str, str], name: str
) -> None:
    done = finished(folder, environ, name)

    assert (done.stdout, done.stderr, done.returncode) == (PRINTS[name], "", 0)


@pytest.mark.parametrize("name", TESTS)
def test_tests_of_the_page_pass(folder: Path, askr_daemon: DaemonProcess, name: str) -> None:
    plain = {key: text for key, text in askr_daemon.environ().items() if "PYTEST" not in key}
    done = finished(folder, plain, "-m", "pytest", "-q", "-W", "error", name)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{CODE[name].count('def test_')} passed" in done.stdout


NOT_BUILT = PAGE.partition("## Not built yet")[2]
VERBS: dict[str, Callable[..., Any]] = {
    "Client": Client,
    "Askr": partial(Askr, "agent"),
    "@agent.command": Askr("agent").command,
}
OPTIONS = [
    (verb, option)
    for verb, options in re.findall(r"`([@\w.]+)\(((?:\w+=,? ?)+)\)`", NOT_BUILT)
    for option in re.findall(r"\w+", options)
]


@pytest.mark.parametrize(("verb", "option"), OPTIONS)
def test_option_the_page_calls_not_built_is_refused(verb: str, option: str) -> None:
    with pytest.raises(TypeError, match=f"'{option}' is not built yet"):
        VERBS[verb](**{option: "x"})


def test_every_verb_with_an_option_that_is_not_built_is_named() -> None:
    assert {verb for verb, _ in OPTIONS} == set(VERBS)


def test_what_the_page_says_about_errors_holds() -> None:
    table = PAGE.partition("| exception | means |")[2].partition("\n\n")[0]
    named = re.findall(r"`([A-Z]\w+)`", "".join(row.split("|")[1] for row in table.split("\n")[2:]))

    assert len(named) > 10
    assert all(issubclass(getattr(askrd, name), AskrError) for name in named)
    exported = [getattr(askrd, name) for name in dir(askrd)]
    codes = [
        one.code
        for one in exported
        if isinstance(one, type) and issubclass(one, AskrError) and "code" in vars(one)
    ]
    assert set(ErrorCode) <= set(codes)
