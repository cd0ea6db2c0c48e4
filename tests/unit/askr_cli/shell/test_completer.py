"""What the Tab key offers."""

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from askr_cli.shell.choices import choices
from askr_cli.shell.completer import ShellCompleter
from askr_cli.shell.live_names import live_names
from tests.unit.askr_cli.shell.canned import names


def offered(text: str) -> list[str]:
    return [choice.text for choice in choices(text, names())]


def completed(text: str) -> str:
    """The text after the first choice was taken."""
    first = choices(text, names())[0]
    return text[: len(text) - first.length] + first.text


@pytest.mark.parametrize(
    ("typed", "after"),
    [
        ("se", "send"),
        ("state w", "state watch"),
        ("send cr", "send crawl"),
        ("send agent.f", "send agent.fetch"),
        ("send agent@p", "send agent@p01x7d.fetch"),
        ("send agent@*", "send agent@*.fetch"),
        ("send crawl u", "send crawl url="),
        ("send crawl --ex", "send crawl --exclude"),
        ("send crawl --exclude p0", "send crawl --exclude p01x7d"),
        ("send crawl --wait 5", "send crawl --wait 5s"),
        ("send crawl de", "send crawl depth:="),
        ("send crawl mode=f", "send crawl mode=fast"),
        ("send crawl mode=v", "send crawl mode='very deep'"),
        ("send crawl follow:=t", "send crawl follow:=true"),
        ('send crawl {"u', 'send crawl {"url": '),
        ('send crawl {"url": "x", m', 'send crawl {"url": "x", "mode": '),
        ('send crawl {"mode": "v', 'send crawl {"mode": "very deep"'),
        ("send crawl --time", "send crawl --timeout"),
        ("send crawl --timeout 5", "send crawl --timeout 5s"),
        ("listen FE", "listen FETCHED_TIME"),
        ("state get config/t", "state get config/theme"),
        ("state ls con", "state ls config"),
        ("logs sh", "logs show"),
        ("logs show o", "logs show orders"),
        ("listen --log o", "listen --log orders"),
        ("jobs re", "jobs retry"),
        ("jobs wait 1", "jobs wait 17"),
        ("jobs retry 17 9", "jobs retry 17 9"),
        ("jobs --st", "jobs --state"),
        ("jobs list --state de", "jobs list --state dead"),
        ("jobs list agent.f", "jobs list agent.fetch"),
        ("describe ca", "describe cache"),
        ("help sta", "help state get"),
        ("ping; send cr", "ping; send crawl"),
        ("send ftc", "send agent.fetch"),
    ],
)
def test_first_choice_completes(typed: str, after: str) -> None:
    assert completed(typed) == after


def test_an_empty_line_offers_every_verb_and_a_group_only_its_own() -> None:
    assert {"send", "listen", "services", "help", "exit"} <= set(offered(""))
    assert offered("state ") == [
        "get", "set", "patch", "incr", "touch", "rm", "ls", "history", "watch", "export", "import",
    ]  # fmt: skip
    assert offered("jobs ") == ["list", "show", "wait", "retry", "cancel", "purge", "queues"]
    assert offered("jobs")[:2] == ["jobs list", "jobs show"]
    assert "shell" not in offered("")


def test_arguments_that_are_given_are_not_offered_again() -> None:
    assert offered("send crawl url=x ") == ["depth:=", "mode=", "follow:="]
    assert offered('send crawl {"url": "x", "mode": "fast", "depth": 1, ') == ['"follow": ']


def test_options_are_offered_once_unless_they_repeat() -> None:
    assert "--dry-run" not in offered("send crawl --dry-run --d")
    assert "--header" in offered("send crawl --header a=b --h")


def test_an_emitted_event_has_no_wildcard_but_a_pattern_may() -> None:
    assert offered("emit ") == ["FETCHED_TIME"]
    assert offered("listen ") == ["FETCHED_TIME", "orders.*", "**"]


@pytest.mark.parametrize(
    "text", ["send crawl | j", "nonsense ", "ping ", "send nope ", "state get nope/", "kill "]
)
def test_where_nothing_is_known_nothing_is_offered(text: str) -> None:
    assert offered(text) == []


def test_many_names_are_cut_to_a_screenful() -> None:
    rows = [{"service": "s", "instance": "i", "commands": [f"c{n}" for n in range(5_000)]}]
    assert len(choices("send ", live_names(rows, {}))) == 200


def test_names_of_strangers_cannot_drive_the_terminal() -> None:
    rows = [{"service": "s", "instance": "i", "emits": ["E\x1b[2J"]}]
    completer = ShellCompleter(lambda _: live_names(rows, {}))
    found = list(completer.get_completions(Document("listen E"), CompleteEvent()))
    assert [each.text for each in found] == ["E\\u001b[2J"]
    assert "\x1b" not in found[0].display_text + found[0].display_meta_text
