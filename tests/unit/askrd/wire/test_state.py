"""Holds what frames about state say beside key and value."""

import pytest

from askrd.wire.bodies import Body, dump, load
from askrd.wire.errors import BadRequest
from askrd.wire.state import DelOptions, EntryOptions, GetOptions, PutOptions, Synced, WatchOptions


def test_what_stands_beside_a_value_says_only_what_differs_from_its_defaults() -> None:
    assert dump(EntryOptions(rev=3, changed=False, count=0)) == (
        b'{"rev":3,"count":0,"changed":false}'
    )


def test_the_end_of_a_snapshot_says_its_revision_even_when_it_is_0() -> None:
    assert dump(Synced(rev=0)) == b'{"rev":0}'


def test_a_request_of_the_state_says_what_it_wants_only() -> None:
    assert dump(PutOptions()) == dump(GetOptions()) == dump(WatchOptions()) == b"{}"
    assert dump(PutOptions(ttl_ms=0, if_rev=0)) == b'{"if_rev":0,"ttl_ms":0}'
    assert dump(WatchOptions(since=0)) == b'{"since":0}'


@pytest.mark.parametrize("kind", [GetOptions, PutOptions, DelOptions, WatchOptions])
def test_an_option_of_another_request_is_refused(kind: type[Body]) -> None:
    with pytest.raises(BadRequest, match="unknown field `secrecy`"):
        load(kind, b'{"secrecy":1}', "options")
