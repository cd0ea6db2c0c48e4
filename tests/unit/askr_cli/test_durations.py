"""Holds the grammar of durations."""

import pytest

from askr_cli.durations import duration_ms, duration_text
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
        (1_500, "1.5 s"),
        (30_000, "30 s"),
        (120_000, "2 m"),
        (11_160_000, "3.1 h"),
    ],
)
def test_durations_are_written(milliseconds: float, text: str) -> None:
    assert duration_text(milliseconds) == text
