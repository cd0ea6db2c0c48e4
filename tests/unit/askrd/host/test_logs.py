"""The log's lines: their shape in each form, and that nobody forges one."""

import io
import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from askrd.host.logs import Log, leads_to_journal, start_log

HOSTILE = "a\nb\r\x1b[2J\x9b1m\u202e\u2028\ud800\x00"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("askrd")
    handlers, levels = list(root.handlers), (root.level, own.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def started(
    form: Literal["auto", "text", "json"] = "text",
    level: Literal["debug", "info", "warning", "error"] = "info",
) -> io.StringIO:
    stream = io.StringIO()
    start_log(form, level, stream=stream, environ={})
    return stream


def events(stream: io.StringIO) -> list[str]:
    """Returns the lines without their time."""
    return [re.sub(r"^\S+Z ", "", line) for line in stream.getvalue().splitlines()]


def test_text_line_has_time_level_event_and_fields() -> None:
    stream = started()
    Log("askrd.daemon").info("session opened", id=7, service="agent", share=0.5, new=True, by=None)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info    "
        r"session opened id=7 service=agent share=0\.5 new=true by=null\n",
        stream.getvalue(),
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ws://127.0.0.1:8800", "ws://127.0.0.1:8800"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi" \\', r'"say \"hi\" \\"'),
        ("übung", '"übung"'),
        (HOSTILE, r'"a\nb\r\x1b[2J\x9b1m\u202e\u2028\ud800\x00"'),
        ("x" * 2000, '"' + "x" * 1000 + '…"'),
    ],
)
def test_value_that_could_be_misread_is_quoted(value: str, text: str) -> None:
    stream = started()
    Log().info("event", field=value)
    assert events(stream) == [f"info    event field={text}"]


def test_event_and_traceback_cannot_forge_a_line() -> None:
    stream = started()
    Log().error(HOSTILE, cause=ValueError("x\n2025-01-01T00:00:00.000Z info    forged\x1b[0m"))
    first, *trace = stream.getvalue().splitlines()
    assert first.endswith(r"error   a\nb\r\x1b[2J\x9b1m\u202e\u2028\ud800\x00")
    assert trace == [
        "    | ValueError: x",
        r"    | 2025-01-01T00:00:00.000Z info    forged\x1b[0m",
    ]


def test_json_line_is_one_ascii_object() -> None:
    stream = started("json")
    Log().warning("peer said", text=HOSTILE + "ü", level="forged", n=1)
    text = stream.getvalue()
    assert text.isascii()
    assert text.count("\n") == 1
    entry: dict[str, Any] = json.loads(text)
    assert entry.pop("ts") > 1_700_000_000_000
    assert entry == {
        "level": "warning",
        "event": "peer said",
        "text": HOSTILE + "ü",
        "level_": "forged",
        "n": 1,
    }


def test_json_error_has_its_traceback() -> None:
    stream = started("json")
    Log().error("failed", cause=ValueError("why"))
    assert json.loads(stream.getvalue())["traceback"] == "ValueError: why"


def test_entries_below_the_level_are_left_out() -> None:
    stream = started(level="warning")
    log = Log()
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert events(stream) == ["warning c", "error   d"]


def test_other_libraries_are_heard_from_warning_on() -> None:
    stream = started(level="debug")
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("asyncio").warning("slow %s", "callback\n")
    Log().debug("own")
    assert events(stream) == [r"warning slow callback\n from=asyncio", "debug   own"]


def test_second_start_replaces_the_first() -> None:
    first = started()
    second = started()
    Log().info("once")
    assert (events(first), events(second)) == ([], ["info    once"])


def test_journal_is_recognised_by_its_file_and_gets_priorities() -> None:
    with tempfile.TemporaryFile("w+") as journal:
        found = os.fstat(journal.fileno())
        environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        start_log("auto", "debug", stream=journal, environ=environ)
        log = Log()
        log.debug("a")
        log.info("b", n=1)
        log.warning("c")
        log.error("d", cause=ValueError("why"))
        logging.getLogger("asyncio").critical("e")
        journal.seek(0)
        assert journal.read().splitlines() == [
            "<7>a",
            "<6>b n=1",
            "<4>c",
            "<3>d",
            "<3>    | ValueError: why",
            "<2>e from=asyncio",
        ]


def test_other_file_than_the_journals_gets_plain_text() -> None:
    with tempfile.TemporaryFile("w+") as other:
        assert not leads_to_journal(other, {"JOURNAL_STREAM": "1:2"})
        assert not leads_to_journal(other, {})
    assert not leads_to_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


def test_reader_that_is_gone_does_not_stop_the_daemon(capfd: pytest.CaptureFixture[str]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    broken = os.fdopen(write_end, "w")
    start_log("text", "info", stream=broken, environ={})
    Log().info("lost")
    Log().info("lost too")
    with pytest.raises(BrokenPipeError):
        broken.close()
    assert capfd.readouterr().err == ""
