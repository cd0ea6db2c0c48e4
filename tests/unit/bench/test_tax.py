"""The variants fit the router of today, still do its work, and a drift is said."""

import pytest

from bench.bare_router import CHECKS, PERMISSION, Change, Check, Drifted, changed_source
from bench.router_variants import SOURCE, choose, make_router
from bench.router_works import BATCH, Commands, Events
from bench.tax import BARE, TAXED, costs_of, judge


@pytest.mark.parametrize("check", [*CHECKS, PERMISSION], ids=lambda check: check.name)
def test_check_is_found_in_the_router_and_changes_it(check: Check) -> None:
    source = SOURCE.read_text()
    assert changed_source(source, [check]) != changed_source(source, [])


def test_bare_router_relays_commands_and_events() -> None:
    router = make_router(CHECKS)
    assert Commands(router)()[0] == BATCH
    assert Events(10, router)()[0] == BATCH * 10


def test_router_without_the_check_of_ids_takes_an_id_twice() -> None:
    source = changed_source(SOURCE.read_text(), choose(["ids"]))
    assert "id_ not in asking" not in source
    assert "id_ not in asking" in changed_source(SOURCE.read_text(), choose(["deadlines"]))


def test_check_that_the_router_has_no_more_is_named() -> None:
    gone = Check("gone", "gone", (Change("never_there += 1"),))
    with pytest.raises(Drifted, match=r"'gone' does not fit .* found 0: 'never_there \+= 1'"):
        changed_source(SOURCE.read_text(), [gone])


def test_condition_that_is_left_alone_stands_without_the_others() -> None:
    source = "def feed(a, b):\n    if a and b:\n        return 1\n"
    assert "if b:" in changed_source(source, [Check("a", "a", (Change("a"),))])
    both = Check("both", "both", (Change("a"), Change("b")))
    with pytest.raises(Drifted, match="found 0: 'b'"):
        changed_source(source, [both])


def test_unknown_check_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no such check: nothing; there are: ids, "):
        choose(["nothing"])


def test_cost_is_a_share_of_the_bare_time() -> None:
    check = Check("c", "c", ())
    times = {"call": {TAXED: [120.0] * 4, BARE: [100.0] * 4, "c": [115.0] * 4}}
    everything, mine = costs_of([check], times)
    assert (everything.share["call"], mine.share["call"], mine.ns["call"]) == (0.2, 0.05, 5.0)
    assert "above the target" in judge([everything])
