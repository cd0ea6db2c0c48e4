"""The soak complains about growth, and about nothing else."""

import pytest

from bench.soak import Look, verdict


def looks(*found: tuple[int, int]) -> list[Look]:
    return [Look(5.0 * at, 10 * at, kib, files) for at, (kib, files) in enumerate(found)]


def test_what_stays_flat_after_half_of_the_time_is_well() -> None:
    assert verdict(looks((50_000, 9), (90_000, 30), (100_000, 30), (110_000, 45))) == []


@pytest.mark.parametrize(
    ("last", "said"),
    [((120_000, 30), "it grew from 100000 to 120000 KiB"), ((100_000, 60), "from 30 to 60")],
)
def test_what_grows_is_told(last: tuple[int, int], said: str) -> None:
    (wrong,) = verdict(looks((50_000, 9), (100_000, 30), (100_000, 30), last))
    assert said in wrong


def test_a_moment_proves_nothing() -> None:
    assert verdict(looks((1, 1))) == ["too short to say anything"]
