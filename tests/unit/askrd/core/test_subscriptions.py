"""Holds the tree of patterns against the plain rule, and the remembered audiences."""

import pytest
from hypothesis import given, strategies as st

from askrd.core import subscriptions
from askrd.core.session import Session
from askrd.core.subscriptions import Subscriptions
from askrd.wire.errors import BadRequest
from askrd.wire.names import check_pattern, pattern_matches
from tests.unit.askrd.core.desk import Desk

SESSIONS = [Desk().connect().session for _ in range(3)]
segments = st.sampled_from(["a", "b", "ab", "$a", "aba"])
stars = st.sampled_from(["a", "*", "a*", "*b", "a*a", "$*", "$a", "**"])
subjects = st.lists(segments, min_size=1, max_size=4).map(".".join)
patterns = st.lists(stars, min_size=1, max_size=4).map(".".join)


def is_pattern(text: str) -> bool:
    try:
        check_pattern(text)
    except BadRequest:
        return False
    return True


steps = st.lists(
    st.tuples(st.integers(0, 2), patterns.filter(is_pattern), st.booleans()), max_size=12
)


@given(steps, st.lists(subjects, min_size=1, max_size=4))
def test_the_tree_agrees_with_the_rule(
    changes: list[tuple[int, str, bool]], names: list[str]
) -> None:
    tree = Subscriptions()
    model: list[tuple[Session, str]] = []
    for index, pattern, is_removed in changes:
        pair = (SESSIONS[index], pattern)
        if is_removed and pair in model:
            model.remove(pair)
            tree.remove(pattern, pair[0])
        elif not is_removed:
            model.append(pair)
            tree.add(pattern, pair[0])
        for name in names:
            expected = {session for session, wanted in model if pattern_matches(wanted, name)}
            found = tree.audience(name.encode()).listeners
            assert set(found) == expected
            assert len(found) == len(expected), "each session hears it once"
    assert tree.is_empty == (not model)


def test_counts_outlive_the_remembered_audience() -> None:
    tree = Subscriptions()
    tree.add("**", SESSIONS[0])
    tree.audience(b"a").count += 3
    tree.add("b", SESSIONS[0])
    assert tree.counts() == {b"a": 3}
    tree.audience(b"a").count += 1
    assert tree.counts() == {b"a": 4}


def test_a_subject_is_remembered_until_someone_subscribes_or_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "SUBJECTS_CACHED_MAX", 3)
    tree = Subscriptions()
    first = tree.audience(b"a")
    assert tree.audience(b"a") is first
    for name in (b"b", b"c", b"d"):
        tree.audience(name).count += 1
    assert set(tree.subjects) == {b"d"}
    tree.add("a", SESSIONS[0])
    assert not tree.subjects
    assert len(tree.counts()) == 3
