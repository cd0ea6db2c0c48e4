"""A real browser for tests: Chromium without a window, driven by chromedriver's own HTTP."""

import http.client
import json
import os
import re
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest

START_S = 30.0
ANSWER_S = 55.0
# Nothing leaves this machine; names of strangers lead to it.
RESOLVER_RULES = "MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    f"--host-resolver-rules={RESOLVER_RULES}",
]
_LISTENS = re.compile(r"successfully on port (\d+)")


class Browser:
    """One session of chromedriver."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = ""

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[Self]:
        """Starts one; skips the test when there is none here."""
        driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
        if driver is None or chromium is None:
            pytest.skip(
                "NOT TESTED: no browser here; install Debian's chromium and chromium-driver"
            )
        with tempfile.TemporaryDirectory(prefix="askr-", ignore_cleanup_errors=True) as profile:
            process = subprocess.Popen(
                [driver, "--port=0"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "HOME": profile, "TMPDIR": profile},
            )
            try:
                browser = cls(_port_of(process))
                browser._begin(chromium, profile)
                try:
                    yield browser
                finally:
                    browser._ask("DELETE", "")
            finally:
                process.terminate()
                process.wait(START_S)
                assert process.stdout is not None
                process.stdout.close()

    def _begin(self, chromium: str, profile: str) -> None:
        options = {"binary": chromium, "args": [*ARGUMENTS, f"--user-data-dir={profile}/data"]}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": int(ANSWER_S * 1000), "pageLoad": 20_000},
        }
        made = self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{made['sessionId']}"

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        return self._send(method, self._session + path, body)

    def _send(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"content-type": "application/json"})
            answer = connection.getresponse()
            value = json.loads(answer.read())["value"]
        finally:
            connection.close()
        if answer.status != 200:
            raise AssertionError(f"{value['error']}: {value['message']}")
        return value

    def open(self, url: str) -> None:
        """Goes to a page."""
        self._ask("POST", "/url", {"url": url})

    def back(self) -> None:
        """Goes back to the page before."""
        self._ask("POST", "/back", {})

    def run(self, script: str, *arguments: object) -> Any:
        """Runs the body of an async function, with `args`, in the page; returns what it returns."""
        wrapped = (
            "const done = arguments[arguments.length - 1];"
            "const args = [...arguments].slice(0, -1);"
            f"(async () => {{ {script} }})().then((value) => done({{value}}),"
            "(error) => done({fault: `${error.name} ${error.code ?? ''} ${error.message}`}));"
        )
        told = self._ask("POST", "/execute/async", {"script": wrapped, "args": list(arguments)})
        if "fault" in told:
            raise AssertionError(told["fault"])
        return told.get("value")

    def until(self, expression: str, what: object = True) -> Any:
        """Returns what an expression is in the page once it is ``what``, within the deadline."""
        end = time.monotonic() + 20
        while (found := self.run(f"return {expression};")) != what:
            assert time.monotonic() < end, f"{expression} is {found!r}, not {what!r}"
        return found

    def log(self) -> list[str]:
        """Returns what the page's console got since it was asked last."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]


def _port_of(process: subprocess.Popen[bytes]) -> int:
    """Reads the port that chromedriver chose."""
    assert process.stdout is not None
    said, end = b"", time.monotonic() + START_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (found := _LISTENS.search(said.decode())) is None:
            assert selector.select(max(0.0, end - time.monotonic())), said
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, said
            said += piece
    return int(found[1])
