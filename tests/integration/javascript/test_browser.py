"""The JavaScript client in a real browser: Chromium without a window, against a real daemon."""

import time

import pytest

from askrd.sync import Client
from askrd.testing.daemon_process import DaemonProcess
from tests.integration.javascript.checklist import (
    CHECKS,
    VECTORS,
    check_what_the_survivor_saw,
)
from tests.integration.javascript.pages import Pages
from tests.integration.javascript.webdriver import Browser

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

FOLDER = "tests/integration/javascript"
LEFT_WITHIN_S = 10.0


def module_of(daemon: DaemonProcess) -> str:
    return f"http://127.0.0.1:{daemon.port}/askr.js"


@pytest.mark.parametrize("check", CHECKS)
def test_the_client_does_what_it_says(
    browser: Browser, pages: Pages, daemon: DaemonProcess, check: str
) -> None:
    browser.open(pages.url)
    fault = browser.run(
        "const [folder, module, url, vectors, name] = args;"
        "window.faults = [];"
        "addEventListener('unhandledrejection', ({reason}) => faults.push(String(reason)));"
        "const {run} = await import(`/${folder}/checks.js`);"
        "const fault = await run(name, {askr: await import(module), url, vectors});"
        "await new Promise((resolve) => setTimeout(resolve, 0));"
        "return fault + faults.join();",
        FOLDER,
        module_of(daemon),
        daemon.url,
        VECTORS,
        check,
    )
    assert fault == ""


def test_a_client_survives_the_end_of_its_daemon(
    browser: Browser, pages: Pages, mortal: DaemonProcess
) -> None:
    browser.open(pages.url)
    browser.run(
        "const [folder, module, url] = args;"
        "window.said = ''; window.saw = null;"
        "const {story} = await import(`/${folder}/story.js`);"
        "const askr = await import(module);"
        "story({askr, url}, (word) => {said = word;}).then("
        "(seen) => {saw = seen;}, (error) => {saw = {fault: error.message};});",
        FOLDER,
        module_of(mortal),
        mortal.url,
    )
    browser.until("said", "ready")
    mortal.kill()
    mortal.start()
    browser.until("saw !== null")
    check_what_the_survivor_saw(browser.run("return saw;"))


def test_python_calls_a_command_that_a_page_offers(
    browser: Browser, pages: Pages, daemon: DaemonProcess
) -> None:
    browser.open(pages.url)
    browser.run(
        "const {connect} = await import(args[0]);"
        "window.askr = await connect();"
        "await askr.provide('page', {"
        "  title: () => document.title,"
        "  reversed: (bytes) => bytes.reverse(),"
        "  async *letters({text}) { for (const letter of text) yield letter; },"
        "});",
        module_of(daemon),
    )
    with Client(daemon.unix_url) as client:
        assert client.send("page.title") == "a page"
        assert client.send("page.reversed", b"\x00\x01\xff") == b"\xff\x01\x00"
        with client.stream("page.letters", {"text": "askr"}) as letters:
            assert list(letters) == ["a", "s", "k", "r"]
        browser.open("about:blank")
        end = time.monotonic() + LEFT_WITHIN_S
        while any(row["service"] == "page" for row in client.send("$askr.services")):
            assert time.monotonic() < end
        browser.back()
        browser.until("document.title", "a page")
        assert client.send("page.title", wait=10) == "a page"


# ── who may ──────────────────────────────────────────────────────────────────────────────────

TRY = (
    "const {connect} = await import(args[1]);"
    "try { const askr = await connect(args[0], {timeout: 1000}); askr.close(); return 'welcome'; }"
    "catch (error) { return `${error.code} ${error.message}`; }"
)
ASK = (
    "try { const answer = await fetch(args[0], {method: args[1]}); return answer.status; }"
    "catch (error) { return 'refused'; }"
)


@pytest.mark.parametrize("host", ["foreign.example", "localhost"])
def test_a_page_of_a_foreign_origin_is_refused(
    browser: Browser, pages: Pages, daemon: DaemonProcess, host: str
) -> None:
    browser.open(f"http://{host}:{pages.port}/")
    said = browser.run(TRY, daemon.url, "/askrd/browser/askr.js")
    assert said.startswith("connection_lost no connection to ")
    assert f"does its setting allow_origins name http://{host}:{pages.port}?" in said
    for method, path in (
        ("GET", "healthz"),
        ("GET", "state/"),
        ("POST", "emit/X"),
        ("PUT", "state/x"),
    ):
        assert browser.run(ASK, f"http://127.0.0.1:{daemon.port}/{path}", method) == "refused"
    with pytest.raises(AssertionError, match="Failed to fetch dynamically imported module"):
        browser.run("await import(args[0]);", module_of(daemon))
    with Client(daemon.unix_url) as client:
        assert client.state.entries("x") == []


def test_a_page_that_is_allowed_may_use_http_too(
    browser: Browser, pages: Pages, daemon: DaemonProcess
) -> None:
    browser.open(pages.url)
    base = f"http://127.0.0.1:{daemon.port}"
    assert browser.run(ASK, f"{base}/healthz", "GET") == 200
    assert browser.run(ASK, f"{base}/emit/X", "POST") == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_of_the_daemon_itself_needs_no_entry(browser: Browser, host: str) -> None:
    with DaemonProcess() as daemon:
        browser.open(f"http://{host}:{daemon.port}/")
        said = browser.run(
            "const {connect} = await import('/askr.js');"
            "const askr = await connect();"
            "const {receivers} = await askr.emit('X', 1, {confirm: true});"
            "askr.close();"
            "return [receivers, (await fetch('/emit/X', {method: 'POST'})).status];"
        )
    assert said == [0, 200]


def test_a_name_that_was_made_to_lead_here_is_refused(browser: Browser) -> None:
    with DaemonProcess() as daemon:
        browser.open(f"http://rebound.example:{daemon.port}/")
        assert "this daemon is not known as" in browser.run("return document.body.innerText;")
        here = f"http://rebound.example:{daemon.port}"
        assert browser.run(ASK, f"{here}/state/", "GET") == 403
        assert browser.run(ASK, f"{here}/emit/X", "POST") == 403
        assert (
            browser.run(
                "return new Promise((resolve) => {"
                "  const socket = new WebSocket(args[0], ['askr.1.json']);"
                "  socket.onopen = () => resolve('open'); socket.onerror = () => resolve('refused');"
                "});",
                f"ws://rebound.example:{daemon.port}/",
            )
            == "refused"
        )
