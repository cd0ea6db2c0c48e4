"""What the fuzz tests throw at the wire, and how they judge what comes back.

`FUZZ_EXAMPLES=10000 pytest tests/fuzz` looks longer, at other examples each time.
"""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings, strategies as st

from askrd.wire.frames import FLAG_HEAD, FLAG_OPTIONS, Frame
from askrd.wire.limits import ID_MAX

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
fuzzed = settings(
    max_examples=int(EXAMPLES or 200),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
SECTION_FLAGS = FLAG_HEAD | FLAG_OPTIONS

frames = st.builds(
    Frame,
    kind=st.integers(0, 255),
    id=st.integers(0, ID_MAX),
    name=st.binary(max_size=40),
    payload=st.binary(max_size=300),
    coding=st.integers(0, 255),
    flags=st.integers(0, 255).map(lambda flags: flags & ~SECTION_FLAGS),
    ttl_ms=st.integers(0, 2**32 - 1),
    hops=st.integers(0, 255),
    head=st.binary(max_size=40),
    options=st.binary(max_size=40),
    stamp=st.binary(max_size=40),
)
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def outcome(function: Callable[[Any], Any], value: Any, *documented: type[Exception]) -> Any:
    """What the function gives, or the documented error; any other error goes on up."""
    try:
        return function(value)
    except documented as error:
        message = str(error)
        assert message, "an error says something"
        assert len(message) < 1000
        return error
