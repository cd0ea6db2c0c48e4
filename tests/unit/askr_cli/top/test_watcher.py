"""The thread that asks for the counters."""

import threading
from typing import Any

import pytest

from askr_cli.top.watcher import RECONNECTING, Watcher, trouble_of
from askrd.wire.errors import AskrError, CommandUnknown, ConnectionLost, Draining

PATIENCE_S = 10


class Daemon:
    """Answers with what was laid out for it, then is away."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    @property
    def is_connected(self) -> bool:
        return bool(self.answers)

    def stats(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, AskrError):
            raise answer
        return answer


def test_it_asks_again_and_again_and_tells_why_there_is_nothing_new() -> None:
    seen: list[tuple[Any, str]] = []
    enough = threading.Event()

    def told() -> None:
        seen.append(watcher.take())
        if len(seen) == 4:
            enough.set()

    watcher = Watcher(Daemon(1, ConnectionLost("gone"), 2), 0.001, told)
    watcher.start()
    assert enough.wait(PATIENCE_S)
    watcher.stop()
    assert seen[:4] == [(1, ""), (None, RECONNECTING), (2, ""), (None, RECONNECTING)]


def test_counters_are_taken_once() -> None:
    came = threading.Event()
    watcher = Watcher(Daemon(7), PATIENCE_S, came.set)
    watcher.start()
    assert came.wait(PATIENCE_S)
    watcher.stop()
    assert [watcher.take(), watcher.take()] == [(7, ""), (None, "")]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionLost("x"), RECONNECTING),
        (Draining("x"), RECONNECTING),
        (CommandUnknown("x"), "no numbers: command_unknown"),
    ],
)
def test_trouble_is_told_in_a_few_words(error: AskrError, words: str) -> None:
    assert trouble_of(error) == words
