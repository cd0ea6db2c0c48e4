"""Holds the counters: quantiles of the last replies, totals that add up."""

from hypothesis import given, strategies as st

from askrd.core.statistics import RECENT_MASK, RECENT_REPLIES, CommandStatistics, Totals


def counted(times_us: list[int]) -> CommandStatistics:
    statistics = CommandStatistics()
    for time_us in times_us:
        statistics.recent_us[statistics.replies & RECENT_MASK] = time_us
        statistics.replies += 1
    return statistics


def test_without_replies_there_is_no_quantile() -> None:
    assert CommandStatistics().quantile_ms(0.5) is None


def test_one_reply_is_every_quantile() -> None:
    statistics = counted([1_000_000])
    assert [statistics.quantile_ms(share) for share in (0.0, 0.5, 0.99, 1.0)] == [1000.0] * 4


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=600), st.floats(0, 1))
def test_a_quantile_is_one_of_the_last_times_and_covers_its_share(
    times_us: list[int], share: float
) -> None:
    found = counted(times_us).quantile_ms(share)
    recent = times_us[-RECENT_REPLIES:]
    assert found is not None
    assert found in {time_us / 1000 for time_us in recent}
    assert sum(time_us / 1000 <= found for time_us in recent) >= share * len(recent) - 1e-9


def test_totals_add_up() -> None:
    totals = Totals()
    totals.add(replies=2, events=3, deliveries=4)
    totals.add(replies=1, events=1, deliveries=1)
    told = totals.as_json()
    assert (told["replies"], told["events"], told["deliveries"]) == (3, 4, 5)
