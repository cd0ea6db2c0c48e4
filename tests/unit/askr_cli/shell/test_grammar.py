"""From a typed statement to what shall be done, or why not."""

import pytest

from askr_cli.shell.grammar import Refusal, Request, read
from askr_cli.shell.line import statements


def read_line(text: str) -> Request | Refusal:
    (statement,) = statements(text)
    return read(statement)


@pytest.mark.parametrize(
    ("text", "verb", "arguments"),
    [
        ("send fetch", "send", ("fetch",)),
        ("askr send fetch", "send", ("fetch",)),
        ('send x {"a": 1} --timeout 3s', "send", ("x", '{"a": 1}', "--timeout", "3s")),
        ('send x "hi there"', "send", ("x", '"hi there"')),
        ("send x -5", "send", ("x", "-5")),
        ("send x -- -y", "send", ("x", "--", "-y")),
        ("send x -H a=b --json", "send", ("x", "-H", "a=b", "--json")),
        ("send a@*.x --exclude b --first", "send", ("a@*.x", "--exclude", "b", "--first")),
        ("send x --in file", "send", ("x", "--in", "file")),
        ("state set a/b 'x y' --if-rev=3", "state set", ("a/b", "x y", "--if-rev=3")),
        ("listen A B --count 2", "listen", ("A", "B", "--count", "2")),
        ("logs", "logs list", ()),
        ("logs --json", "logs list", ("--json",)),
        ("logs show orders", "logs show", ("orders",)),
        ("jobs", "jobs", ()),
        ("askr jobs", "jobs list", ()),
        ("jobs --state dead", "jobs list", ("--state", "dead")),
        ("jobs list", "jobs list", ()),
        ("jobs retry 1 2", "jobs retry", ("1", "2")),
        ("listen --log orders --ack", "listen", ("--log", "orders", "--ack")),
        ("quit", "exit", ()),
        ("kill %1", "kill", ("%1",)),
        ("send --help", "help", ("send",)),
    ],
)
def test_a_statement_becomes_a_request(text: str, verb: str, arguments: tuple[str, ...]) -> None:
    request = read_line(text)
    assert isinstance(request, Request), request
    assert (request.verb.name, request.arguments) == (verb, arguments)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sned fetch", "Did you mean: send?"),
        ("demo", "outside the shell"),
        ("state", "state get, state set"),
        ("logs nope", "'logs' needs one more word: logs list, logs create"),
        ("jobs nope", "'jobs' needs one more word: jobs list, jobs show"),
        ("logs show", "lacks LOG"),
        ("state get", "lacks KEY"),
        ("ping x", "takes no arguments"),
        ("state get a b", "takes 1 argument"),
        ("send x --hedaer a", "Did you mean: --header?"),
        ("send x --timeout", "--timeout needs a value"),
        ("send x -", "standard input is the keyboard"),
        ("send x --lines -", "standard input is the keyboard"),
        ("send x --in -", "--in -: standard input is the keyboard here, name a file"),
        ("send x --in=-", "--in -: standard input is the keyboard here, name a file"),
        ("jobs | cat", "cannot be piped"),
        ("top &", "fills the screen"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_way_out(text: str, words: str) -> None:
    refusal = read_line(text)
    assert isinstance(refusal, Refusal)
    assert words in refusal.message
