"""Holds the grammar of durations."""

import pytest

from askr_cli.durations import duration_ms, duration_text, span_ms, span_text
from askr_cli.exits import Usage


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("300ms", 300),
        ("5s", 5_000),
        ("2m", 120_000),
        ("1h", 3_600_000),
        ("5", 5_000),
        ("0.5", 500),
        ("1.5s", 1_500),
        ("0.001s", 1),
        ("1193h", 4_294_800_000),
    ],
)
def test_durations_are_read(text: str, milliseconds: int) -> None:
    assert duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "s", "5 s", "-1s", "1d", "5S", "1e3", "NaN", "inf", "0", "0ms", "1194h", "٣s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Usage):
        duration_ms(text)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.214, "0.21 ms"),
        (12.44, "12.4 ms"),
        (100, "100 ms"),
        (1_500, "1.5 s"),
        (30_000, "30 s"),
        (120_000, "2 m"),
        (11_160_000, "3.1 h"),
    ],
)
def test_durations_are_written(milliseconds: float, text: str) -> None:
    assert duration_text(milliseconds) == text


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("7d", 604_800_000), ("0", 0), ("0s", 0), ("1.5d", 129_600_000), ("90", 90_000), (5, 5)],
)
def test_what_is_kept_may_be_kept_for_days_or_for_ever(text: str | int, milliseconds: int) -> None:
    assert span_ms(text) == milliseconds


@pytest.mark.parametrize("text", ["", "d", "-1d", "1w", "for ever"])
def test_what_is_no_time_to_keep_is_refused(text: str) -> None:
    with pytest.raises(Usage):
        span_ms(text)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "no limit"), (604_800_000, "7 d"), (129_600_000, "1.5 d"), (30_000, "30 s")],
)
def test_how_long_something_is_kept_is_written(milliseconds: int, text: str) -> None:
    assert span_text(milliseconds) == text
