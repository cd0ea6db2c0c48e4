"""Holds which wishes of a listener go together, and what the client is told of them."""

import pytest

from askr_cli.commands.listen_wishes import Earlier, Wishes
from askr_cli.exits import Usage


@pytest.mark.parametrize(
    ("earlier", "arguments"),
    [
        (Earlier(), {"retained": False}),
        (Earlier(retained=True, since_ms=1_500), {"retained": True, "since": 1.5}),
        (Earlier(group="g"), {"retained": False, "group": "g"}),
        (Earlier(log="l"), {"retained": False, "log": "l", "start": None}),
        (Earlier(log="l", start="new"), {"retained": False, "log": "l", "start": "new"}),
        (Earlier(log="l", start="17"), {"retained": False, "log": "l", "start": 17}),
        (
            Earlier(log="l", consumer="c"),
            {"retained": False, "log": "l", "start": None, "consumer": "c", "ack": False},
        ),
        (
            Earlier(log="l", consumer="c", ack=True),
            {"retained": False, "log": "l", "start": None, "consumer": "c", "ack": "manual"},
        ),
    ],
)
def test_the_client_is_told_what_is_wanted(earlier: Earlier, arguments: dict[str, object]) -> None:
    wishes = Wishes(("X",), earlier)
    wishes.check(one_service=False)
    assert wishes.arguments() == arguments


def test_a_log_needs_no_pattern_and_live_events_do() -> None:
    assert Wishes((), Earlier(log="l")).patterns == ("**",)
    with pytest.raises(Usage, match="say what to listen to"):
        Wishes((), Earlier()).check(one_service=False)


@pytest.mark.parametrize(
    ("patterns", "earlier", "words"),
    [
        (("X", "Y"), Earlier(), "X Y"),
        (("X",), Earlier(group="g"), "X in group g"),
        ((), Earlier(log="l"), "the log l"),
        ((), Earlier(log="l", consumer="c"), "the log l as c"),
        (("X",), Earlier(log="l"), "the log l, only X"),
    ],
)
def test_people_are_told_what_is_listened_to(
    patterns: tuple[str, ...], earlier: Earlier, words: str
) -> None:
    assert str(Wishes(patterns, earlier)) == words
