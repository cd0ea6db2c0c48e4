"""Holds what patches and counters make of a value: RFC 7396 to the letter, and 64 bits."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from askrd.core.merging import counted, merged
from askrd.wire.errors import BadRequest
from askrd.wire.frames import Coding
from askrd.wire.limits import JSON_DEPTH_MAX

JSON, BYTES = int(Coding.JSON), int(Coding.BYTES)

# The table of RFC 7396, appendix A.
OF_THE_RFC = [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
    ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
    ('["a","b"]', '["c","d"]', '["c","d"]'),
    ('{"a":"b"}', '["c"]', '["c"]'),
    ('{"a":"foo"}', "null", "null"),
    ('{"a":"foo"}', '"bar"', '"bar"'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
    ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
]


@pytest.mark.parametrize(("value", "patch", "result"), OF_THE_RFC)
def test_a_patch_is_applied_as_the_rfc_says(value: str, patch: str, result: str) -> None:
    assert merged(value.encode(), JSON, patch.encode()) == result.encode()


def test_what_a_patch_does_not_name_keeps_its_digits() -> None:
    value = b'{"big":123456789012345678901234567890,"money":1.10,"x":1}'
    assert merged(value, JSON, b'{"x":2}') == value.replace(b'"x":1', b'"x":2')


def test_a_patch_that_changes_nothing_gives_the_same_object() -> None:
    value = b'{ "a" : 1.0, "b": [ ] }'
    for patch in (b"{}", b'{"a":1.0}', b'{"c":null}', b'{"b":[]}', b" {} "):
        assert merged(value, JSON, patch) is value
    assert merged(value, JSON, b'{"a":1}') is not value, "1 and 1.0 are written differently"


def test_a_patch_of_nothing_makes_the_entry() -> None:
    assert merged(b"", 0, b'{"a":{"b":null,"c":1}}') == b'{"a":{"c":1}}'
    assert merged(b"", 0, b"3") == b"3"


@pytest.mark.parametrize(
    ("value", "coding", "patch", "said"),
    [
        (b"x", BYTES, b"{}", "the entry holds bytes"),
        (b"{}", JSON, b"{", "the patch is not JSON"),
        (b"{}", JSON, b"\xff", "the patch is not JSON"),
        (b"{}", JSON, b"[" * 100_000, "the patch is not JSON"),
        (b"{not json", JSON, b'{"a":1}', "the value cannot be patched"),
        (b"{}", JSON, b'{"a":' * 70 + b"1" + b"}" * 70, f"deeper than {JSON_DEPTH_MAX}"),
    ],
)
def test_what_cannot_be_merged_is_refused(
    value: bytes, coding: int, patch: bytes, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        merged(value, coding, patch)


def test_a_plain_patch_takes_the_place_of_what_is_no_json() -> None:
    assert merged(b"no json", JSON, b"1") == b"1"


def plainly(value: Any, patch: Any) -> Any:
    """The pseudo code of RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = plainly(result.get(name), change)
    return result


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)


@given(values, values)
def test_any_patch_gives_what_the_rfcs_pseudo_code_gives(value: Any, patch: Any) -> None:
    told = merged(msgspec.json.encode(value), JSON, msgspec.json.encode(patch))
    assert msgspec.json.decode(told) == plainly(value, patch)


@pytest.mark.parametrize(
    ("value", "step", "result"),
    [
        (b"", b"", b"1"),
        (b"4", b"", b"5"),
        (b"4", b"-5", b"-1"),
        (b" 4 ", b" 0", b"4"),
        (b"9223372036854775806", b"1", b"9223372036854775807"),
        (b"-1", b"-9223372036854775807", b"-9223372036854775808"),
    ],
)
def test_a_counter_moves_by_its_step(value: bytes, step: bytes, result: bytes) -> None:
    assert counted(value, JSON, step, JSON) == result


@pytest.mark.parametrize(
    ("value", "coding", "step", "step_coding", "said"),
    [
        (b"1.5", JSON, b"", 0, "the entry is no integer"),
        (b"true", JSON, b"", 0, "the entry is no integer"),
        (b'"1"', JSON, b"", 0, "the entry is no integer"),
        (b"1", BYTES, b"", 0, "the entry is bytes"),
        (b"1", JSON, b"1", BYTES, "the step is bytes"),
        (b"1", JSON, b"1.0", JSON, "the step is no integer"),
        (b"1", JSON, b"9223372036854775807", JSON, "does not fit into 64 bits"),
        (b"9" * 19, JSON, b"1", JSON, "does not fit into 64 bits"),
        (b"1", JSON, b"9" * 30, JSON, "the step does not fit"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    value: bytes, coding: int, step: bytes, step_coding: int, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        counted(value, coding, step, step_coding)
