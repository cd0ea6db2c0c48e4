"""An agent says what it offers: short lines, and no colours where nobody can see them."""

import io
from collections.abc import AsyncIterator

from askrd.sdk.announcing import Announcer
from askrd.sdk.service import Service
from askrd.sdk.upload import Upload


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def service() -> Service:
    made = Service("agent")

    @made.command
    def crawl(url: str, depth: int = 2) -> None:
        """Fetches
        a page.

        One at a time.
        """

    @made.command(doc="x" * 100)
    def stop(**rest: int) -> None: ...

    @made.command
    async def tail(path: str, content: Upload) -> AsyncIterator[str]:
        yield path

    @made.command(reply="ack")
    def index() -> None: ...

    made.emits("FETCHED_TIME", int)
    made.hears("news.*", None, "")
    return made


def test_one_line_per_command_event_and_pattern() -> None:
    stream = io.StringIO()
    Announcer("agent", stream).offer([service()])
    assert stream.getvalue().splitlines() == [
        "  agent.crawl(url, depth=2)                    Fetches a page.",
        "  agent.stop(...)                              " + "x" * 59 + "…",
        "  agent.tail(path, content: upload) -> stream",
        "  agent.index() -> ack",
        "  emits FETCHED_TIME",
        "  listens to news.*",
    ]


def test_colours_are_for_terminals(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    Announcer("agent", stream).offer([service()])
    assert "\x1b[1magent.crawl" in stream.getvalue()


def test_no_color_is_respected(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    Announcer("agent", stream).offer([service()])
    assert "\x1b" not in stream.getvalue()


def test_same_sentence_is_said_once_in_a_row() -> None:
    stream = io.StringIO()
    announcer = Announcer("agent", stream)
    announcer.say("cannot reach askrd; trying again")
    announcer.say("cannot reach askrd; trying again")
    announcer.say("connected")
    assert stream.getvalue() == "agent: cannot reach askrd; trying again\nagent: connected\n"


def test_foreign_text_cannot_drive_the_terminal() -> None:
    stream = io.StringIO()
    Announcer("agent", stream).say("cannot run: \x1b[2J\nnew line")
    assert stream.getvalue() == "agent: cannot run: \\x1b[2J\\nnew line\n"
