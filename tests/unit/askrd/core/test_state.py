"""Holds the connected state: what is committed, and the head with what is proposed."""

from hypothesis import given, strategies as st

from askrd.core.state import Entry, State


def test_what_is_proposed_is_the_head_and_unseen() -> None:
    state = State()
    entry = Entry(b"1", 1, 1, 0)
    assert state.propose("k", entry, state.head("k")) == 1
    assert state.head("k") is entry
    assert not state.entries
    assert state.is_kept
    state.commit("k", entry, 1)
    assert state.entries == {"k": entry}
    assert (state.rev, state.bytes, state.count) == (1, 2, 1)


def test_a_committed_delete_does_not_hide_a_proposed_one() -> None:
    state = State()
    first, second = Entry(b"1", 1, 1, 0), Entry(b"2", 1, 3, 0)
    for entry in (first, None, second, None):
        state.propose("k", entry, state.head("k"))
    state.commit("k", first, 1)
    state.commit("k", None, 2)
    assert state.head("k") is None
    state.commit("k", second, 3)
    assert state.head("k") is None, "its deletion is proposed already"
    state.commit("k", None, 4)
    assert (state.rev, state.bytes, state.count, state.is_kept) == (4, 0, 0, False)


def test_giving_up_forgets_what_nobody_has_seen() -> None:
    state = State(floor=10)
    kept = Entry(b"1", 1, 11, 0)
    state.propose("k", kept, state.head("k"))
    state.commit("k", kept, 11)
    state.propose("k", None, state.head("k"))
    state.propose("new", Entry(b"123", 1, 13, 0), state.head("new"))
    state.give_up()
    assert state.head("k") is kept
    assert (state.rev, state.head_rev, state.bytes, state.count) == (11, 11, 2, 1)


def test_below_a_prefix_are_its_keys_in_order() -> None:
    state = State()
    for rev, key in enumerate(("ab", "a/c", "a", "a/b/c", "b"), 1):
        entry = Entry(b"", 0, rev, 0)
        state.propose(key, entry, state.head(key))
        state.commit(key, entry, rev)
    assert [key for key, _ in state.below("a")] == ["a", "a/b/c", "a/c"]
    assert [key for key, _ in state.below("a/")] == ["a/b/c", "a/c"]
    assert len(list(state.below(""))) == 5


@given(st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.binary(max_size=3)), max_size=30))
def test_bytes_and_count_are_those_of_the_head(writes: list[tuple[str, bytes | None]]) -> None:
    state = State()
    model: dict[str, bytes] = {}
    for key, value in writes:
        rev = state.head_rev + 1
        state.propose(key, None if value is None else Entry(value, 1, rev, 0), state.head(key))
        if value is None:
            model.pop(key, None)
        else:
            model[key] = value
    assert state.count == len(model)
    assert state.bytes == sum(1 + len(value) for value in model.values())
