"""Rates, orders and places of the live monitor."""

from hypothesis import given, strategies as st

from askr_cli.top.model import Monitor, Order, View, share, sparkline
from askr_cli.top.snapshot import read_snapshot
from tests.unit.askr_cli.top.canned import stats


def view_after(*values: dict[str, object], order: Order = Order.BUSIEST) -> View:
    monitor = Monitor(order)
    for value in values:
        monitor.take(read_snapshot(value))
    view = monitor.view()
    assert view is not None
    return view


def test_before_the_first_snapshot_there_is_nothing_to_show() -> None:
    assert Monitor().view() is None


def test_one_snapshot_has_totals_and_no_rates() -> None:
    view = view_after(stats(10))
    assert view.snapshot.total("commands") == 1000
    assert view.rates["commands"] is None
    assert view.commands[0].calls_per_s is None


def test_rates_come_from_two_snapshots_and_the_daemons_clock() -> None:
    view = view_after(stats(10), stats(12))
    assert view.rates["commands"] == 100
    assert [(row.count.name, row.calls_per_s) for row in view.commands] == [
        ("agent.fetch", 100),
        ("agent.crawl", 2),
        ("agent.idle", 0),
    ]
    assert (view.events[0].count.event, view.events[0].per_s) == ("FETCHED_TIME", 6)


def test_rates_cover_three_seconds_and_no_more() -> None:
    values = [stats(second, calls_per_s=0) for second in range(1, 7)]
    for value, calls in zip(values, (0, 600, 600, 600, 603, 606), strict=True):
        value["totals"]["commands"] = calls
    assert view_after(*values).rates["commands"] == 2
    assert view_after(*values[:4]).rates["commands"] == 200


def test_a_row_that_is_new_began_at_zero() -> None:
    first, second = stats(10), stats(12)
    first["commands"] = []
    first["events"] = []
    view = view_after(first, second)
    assert view.commands[0].calls_per_s == 1200 / 2
    assert view.events[0].per_s == 72 / 2


def test_a_restarted_daemon_begins_anew() -> None:
    view = view_after(stats(10), stats(12), stats(1, epoch="e2"))
    assert view.rates["commands"] is None
    assert view_after(stats(10), stats(1, epoch="e2"), stats(2, epoch="e2")).rates["fails"] == 1


def test_the_same_moment_twice_has_no_rates() -> None:
    assert view_after(stats(10), stats(10)).rates["commands"] is None


def test_median_is_weighed_by_calls_and_p99_is_the_slowest() -> None:
    view = view_after(stats(10))
    assert (view.p50_ms, view.p99_ms, view.errors) == (0.5, 3100.0, 10)


def test_rows_are_sorted_as_asked() -> None:
    names = {
        order: [row.count.name for row in view_after(stats(1), stats(2), order=order).commands]
        for order in Order
    }
    assert names == {
        Order.BUSIEST: ["agent.fetch", "agent.crawl", "agent.idle"],
        Order.SLOWEST: ["agent.crawl", "agent.fetch", "agent.idle"],
        Order.ERRORS: ["agent.crawl", "agent.fetch", "agent.idle"],
        Order.NAME: ["agent.crawl", "agent.fetch", "agent.idle"],
    }


def test_every_order_comes_in_turn() -> None:
    order, seen = Order.BUSIEST, []
    for _ in Order:
        seen.append(order)
        order = order.following()
    assert seen == list(Order)
    assert order is Order.BUSIEST


def test_the_past_is_bounded_and_newest_last() -> None:
    monitor = Monitor()
    for second in range(1, 200):
        monitor.take(read_snapshot(stats(second, calls_per_s=second)))
    view = monitor.view()
    assert view is not None
    past = view.past["commands"]
    assert len(past) == 60
    assert past[-1] == (199 * 199 - 196 * 196) / 3


def test_small_tables_get_all_they_want_before_large_ones_share() -> None:
    assert share(10, (100, 2, 100)) == (4, 2, 4)
    assert share(300, (100, 2, 100)) == (100, 2, 100)
    assert share(0, (1, 1)) == (0, 0)
    assert share(-3, (1,)) == (0,)


@given(st.integers(0, 200), st.lists(st.integers(0, 300), max_size=5))
def test_no_line_is_given_twice_and_none_is_left_unwanted(lines: int, wanted: list[int]) -> None:
    given_ = share(lines, tuple(wanted))
    assert sum(given_) == min(lines, sum(wanted))
    assert all(got <= want for got, want in zip(given_, wanted, strict=True))


def test_sparkline_is_scaled_to_its_largest() -> None:
    assert sparkline((0.0, 1.0, 4.0, 8.0), 6) == "   ▁▄█"
    assert sparkline((), 3) == "   "
    assert sparkline((1.0,), 0) == ""
