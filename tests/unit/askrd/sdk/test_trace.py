"""A command has its caller's trace and a span of its own; what is no trace begins a new one."""

import re

import pytest

from askrd.sdk.trace import span_below

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
VALID = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01")


@pytest.mark.parametrize("parent", [f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-00-later"])
def test_trace_and_flags_are_the_callers_and_the_span_is_new(parent) -> None:
    own = span_below({"traceparent": parent})
    version, trace, span, flags = own.split("-")
    assert (version, trace, flags) == ("00", TRACE, "00")
    assert (span == SPAN, len(span)) == (False, 16)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
    ],
)
def test_what_names_no_trace_begins_a_new_one(parent) -> None:
    own = span_below({"traceparent": parent})
    assert VALID.fullmatch(own)
    assert TRACE not in own
    assert own != span_below({"traceparent": parent})
