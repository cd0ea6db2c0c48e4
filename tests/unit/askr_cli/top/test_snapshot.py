"""Reading the daemon's counters."""

from hypothesis import given, strategies as st

from askr_cli.top.snapshot import (
    CommandCount,
    JobCount,
    LogCount,
    PeerCount,
    Snapshot,
    read_snapshot,
)
from tests.unit.askr_cli.top.canned import stats


def test_rows_are_read_with_their_types() -> None:
    snapshot = read_snapshot(stats(10))
    assert snapshot.daemon.uptime_ms == 10_000
    assert snapshot.total("commands") == 1000
    assert snapshot.commands[0] == CommandCount("agent.fetch", 1000, 0, 1, 0.5, 0.9, 1.9)
    assert snapshot.peers[1] == PeerCount(
        "askr-askr-aaaaaa", "terminal", "askr", "ws+json", 0, 0, 0, 0
    )


def test_queues_and_logs_are_read() -> None:
    snapshot = read_snapshot(stats(10))
    assert snapshot.jobs[0] == JobCount("mail.post", 3, 1, 0, 2)
    assert snapshot.logs == (LogCount("orders", 12, 3400, 2),)


def test_what_is_missing_counts_as_nothing() -> None:
    snapshot = read_snapshot({})
    assert (snapshot.total("commands"), snapshot.commands, snapshot.daemon.id) == (0, (), "")


anything = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*stats(1), "id", "name", "calls"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(anything)
def test_any_value_is_read_or_taken_for_nothing(value: object) -> None:
    assert isinstance(read_snapshot(value), Snapshot)
