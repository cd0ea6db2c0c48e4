"""Every program on the page about JavaScript runs, and prints what the page says it prints."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.sync import Client
from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import ROOT
from tests.integration.javascript.pages import Pages
from tests.integration.javascript.runtimes import MODULE, NAMES, program_of
from tests.integration.javascript.webdriver import Browser

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PAGE = (ROOT / "docs" / "JAVASCRIPT.md").read_text(encoding="utf-8")
PROGRAM = re.compile(
    r"^```javascript\n(?P<code>// (?P<name>\w+\.js)\n.*?)^```\n(?:\n```text\n(?P<prints>.*?)```\n)?",
    re.MULTILINE | re.DOTALL,
)
CODE = {found["name"]: found["code"] for found in PROGRAM.finditer(PAGE)}
PRINTS = {found["name"]: found["prints"] for found in PROGRAM.finditer(PAGE) if found["prints"]}
HTML = PAGE.split("```html\n")[1].split("```")[0]
SERVICE = "greeter.js"
RUN_S = 60.0


@pytest.fixture(params=NAMES)
def words(request: pytest.FixtureRequest) -> list[str]:
    return program_of(request.param)


@pytest.fixture
def folder(tmp_path: Path, daemon: DaemonProcess) -> Path:
    shutil.copy(MODULE, tmp_path / "askr.js")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name, code in CODE.items():
        text = code.replace("127.0.0.1:8800", f"127.0.0.1:{daemon.port}")
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def greeter(words: list[str], folder: Path) -> Iterator[None]:
    with subprocess.Popen(
        [*words, str(folder / SERVICE)], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.kill()


def test_every_program_of_the_page_is_run_by_a_test_here() -> None:
    assert PAGE.count("```javascript") == len(CODE)
    assert sorted(CODE) == sorted([SERVICE, *PRINTS])
    assert PAGE.count("```html") == 1


@pytest.mark.parametrize("name", PRINTS)
def test_a_program_prints_what_the_page_says(
    words: list[str], folder: Path, greeter: None, name: str
) -> None:
    done = subprocess.run(
        [*words, str(folder / name)],
        cwd=folder,
        env={"NO_COLOR": "1", "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    # Node prints strings within objects in single quotes, Deno in double ones.
    assert (done.stdout.replace("'", '"'), done.stderr) == (PRINTS[name], "")
    assert done.returncode == 0


def test_the_html_of_the_page_greets_and_lists(
    browser: Browser, pages: Pages, daemon: DaemonProcess
) -> None:
    browser.open(pages.url)
    browser.run(
        "window.other = await (await import(args[0])).connect();"
        "await other.provide('greeter', {hello: async ({name}, {emit}) => {"
        "  await emit('GREETED', {name}); return `hello ${name}`; }});",
        f"http://127.0.0.1:{daemon.port}/askr.js",
    )
    browser.run(
        "const frame = document.createElement('iframe');"
        "frame.srcdoc = args[0]; document.body.append(frame);",
        HTML.replace("127.0.0.1:8800", f"127.0.0.1:{daemon.port}"),
    )
    inside = "document.querySelector('iframe').contentDocument"
    browser.until(f"{inside}.title", "hello page")
    browser.until(f"{inside}.querySelector('li')?.textContent", "page")


def test_the_example_page_shows_what_is_there_and_what_happens(
    browser: Browser, pages: Pages, daemon: DaemonProcess
) -> None:
    with Client(daemon.unix_url) as client:
        client.state.set("example/lamp", {"on": True})
        browser.log()
        browser.open(f"{pages.url}/examples/page.html?daemon=http://127.0.0.1:{daemon.port}")
        browser.until("document.getElementById('where').textContent.startsWith('askr at ')")
        services = "document.getElementById('services').innerText"
        browser.until(f"{services}.includes('desk@') && {services}.includes('echo')")
        state = "document.getElementById('state').innerText"
        browser.until(f"{state}.includes('example/lamp = {{\"on\":true}}')")
        client.state.delete("example/lamp")
        browser.until(f"{state}.includes('example/lamp')", what=False)
        events = "document.getElementById('events').innerText"
        browser.until("document.forms[0].onsubmit !== null")
        client.emit("EXAMPLE", {"is": "<b>shown</b>"})
        browser.until(f'{events}.includes(\'EXAMPLE {{"is":"<b>shown</b>"}} from \')')
        browser.run("document.forms[0].requestSubmit();")
        browser.until("document.getElementById('answer').textContent.includes('\"protocol\"')")
    assert [entry for entry in browser.log() if "favicon" not in entry] == []
