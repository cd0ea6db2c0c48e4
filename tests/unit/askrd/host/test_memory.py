"""Memory of large frames, and of what is restored at the start."""

import ctypes
import gc
from collections.abc import Iterator

import pytest

from askrd.host.memory import (
    KEPT_BYTES,
    MAPPED_FROM_BYTES,
    keep_freed_memory,
    no_search_for_garbage,
)
from askrd.wire.limits import DEFAULT_LIMITS


def test_it_is_set_on_glibc_and_refused_elsewhere() -> None:
    assert keep_freed_memory() is hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


def test_a_frame_of_the_default_limit_comes_from_the_heap() -> None:
    assert DEFAULT_LIMITS.frame_bytes_max < MAPPED_FROM_BYTES < KEPT_BYTES


@pytest.fixture
def searching() -> Iterator[None]:
    """Puts things back as they were: other tests want their garbage found."""
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("searching")
def test_what_is_made_within_is_searched_neither_then_nor_later() -> None:
    with no_search_for_garbage():
        assert not gc.isenabled()
        made: list[list[int]] = [[number] for number in range(1000)]
    assert gc.isenabled()
    searched = {id(one) for one in gc.get_objects()}
    assert not searched & {id(one) for one in made}
    later: list[int] = []
    assert any(one is later for one in gc.get_objects())


@pytest.mark.usefixtures("searching")
def test_searching_goes_on_after_a_failure_and_not_where_it_was_off() -> None:
    with pytest.raises(ValueError, match="no"), no_search_for_garbage():
        raise ValueError("no")
    assert gc.isenabled()
    gc.disable()
    with no_search_for_garbage():
        pass
    assert not gc.isenabled()
