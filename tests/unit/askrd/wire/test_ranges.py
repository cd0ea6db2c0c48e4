"""Holds which versions fit which range."""

import pytest

from askrd.wire.errors import BadRequest
from askrd.wire.limits import VERSION_RANGE_CHARS_MAX
from askrd.wire.ranges import parse_range

FITS = [
    ("^2", "2.0.0 2.0.1 2.9.9 2.0.0+build.7", "1.9.9 3.0.0 2.0.0-rc.1 3.0.0-rc.1 2.1.0-rc.1"),
    ("^2.1", "2.1.0 2.1.9 2.10.0", "2.0.9 3.0.0 2.1.0-rc.1 2.2.0-rc.1 20.1.0"),
    ("^2.1.3", "2.1.3 2.1.4 2.2.0 2.1.3+x", "2.1.2 3.0.0 2.1.3-rc.1"),
    ("^0", "0.0.0 0.9.9", "1.0.0"),
    ("^0.2", "0.2.0 0.2.9", "0.1.9 0.3.0 1.0.0"),
    ("^0.2.3", "0.2.3 0.2.4", "0.2.2 0.3.0"),
    ("^0.0", "0.0.0 0.0.9", "0.1.0"),
    ("^0.0.3", "0.0.3", "0.0.2 0.0.4"),
    ("^0.0.0", "0.0.0", "0.0.1"),
    ("~2", "2.0.0 2.9.9", "1.9.9 3.0.0"),
    ("~2.1", "2.1.0 2.1.9", "2.0.9 2.2.0"),
    ("~2.1.3", "2.1.3 2.1.9", "2.1.2 2.2.0"),
    ("~0.2", "0.2.0 0.2.9", "0.3.0"),
    ("2", "2.0.0 2.9.9 2", "1.9.9 3.0.0 2.0.0-rc.1 2.1"),
    ("2.1", "2.1.0 2.1.9 2.1", "2.0.9 2.2.0"),
    ("2.1.3", "2.1.3 2.1.3+build", "2.1.2 2.1.4 2.1.3-rc.1 2.1.30"),
    ("2.1.3-rc.1", "2.1.3-rc.1 2.1.3-rc.1+build", "2.1.3 2.1.3-rc.2 2.1.3-rc"),
    (
        "^2.1.0-rc.2",
        "2.1.0-rc.2 2.1.0-rc.10 2.1.0-rc.2.1 2.1.0-x 2.1.0 2.5.0",
        "2.1.0-rc.1 2.1.0-rc 2.1.0-7 2.2.0-rc.3 3.0.0",
    ),
    ("2.1.3+build", "2.1.3+build", "2.1.3 2.1.3+other"),
    ("nightly", "nightly", "Nightly nightly-1 1.0.0"),
    ("v2", "v2", "2.0.0 v2.0.0"),
    ("2.1.3.4", "2.1.3.4", "2.1.3 2.1.3.5"),
    ("2026_11-a", "2026_11-a", "2026.11.0"),
    ("02", "02", "2.0.0"),
    ("1.2.3", "1.2.3", "01.2.3 1.02.3 1.2.3- 1.2.3-a..b v1.2.3"),
]


@pytest.mark.parametrize(("text", "fitting", "others"), FITS, ids=[row[0] for row in FITS])
def test_a_range_takes_what_it_says(text: str, fitting: str, others: str) -> None:
    wanted = parse_range(text)
    versions = fitting.split() + others.split()
    assert [version for version in versions if wanted.fits(version)] == fitting.split()


@pytest.mark.parametrize("text", ["^2", "2", "nightly"])
def test_a_service_without_a_version_fits_no_range(text: str) -> None:
    assert not parse_range(text).fits("")


def test_numbers_of_any_size_are_compared_or_refused_quietly() -> None:
    assert parse_range("^9999999999999999").fits("9999999999999999.1.0")
    assert not parse_range("^2").fits("2." + "9" * 5000 + ".0")
    assert not parse_range("^2.0.0-1").fits("2.0.0-" + "9" * 5000)


@pytest.mark.parametrize(
    "text",
    ["", " ", "^", "~", "^x", "^v2", "^2.", "^2.1.3.4", "^02", "^2-rc", "~-1", "^^2", "=2.1", ">=2",
     "<3", "2 3", "1||2", "1 - 2", "*", "x", "2.x", "2.*", "2.1.X", "x.1", ".1", "-1", "2,3", "\x1b[2J",
     "\ud800", "ü", "٢", "^2\n", "1" * (VERSION_RANGE_CHARS_MAX + 1)],
)  # fmt: skip
def test_nonsense_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(BadRequest, match=r"no range of versions: write one of \^2") as caught:
        parse_range(text)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_a_range_may_be_as_long_as_a_tag_value() -> None:
    text = "a" * VERSION_RANGE_CHARS_MAX
    assert parse_range(text).fits(text)
