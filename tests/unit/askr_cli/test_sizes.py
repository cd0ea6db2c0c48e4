"""Holds the grammar of sizes."""

import pytest

from askr_cli.exits import Usage
from askr_cli.sizes import size_bytes, size_text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("10b", 10),
        ("512k", 512 * 1024),
        ("64M", 64 << 20),
        ("64MiB", 64 << 20),
        ("1GB", 1 << 30),
        (7, 7),
    ],
)
def test_sizes_are_read(text: str | int, number: int) -> None:
    assert size_bytes(text) == number


@pytest.mark.parametrize("text", ["", "k", "-1", "1.5M", "1T", "0", "0k", "1 M", "٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(Usage):
        size_bytes(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (64 << 20, "64 MiB"), (1 << 31, "2 GiB")],
)
def test_sizes_are_written(number: int, text: str) -> None:
    assert size_text(number) == text
