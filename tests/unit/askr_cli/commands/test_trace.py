"""Holds that a trace travels as W3C trace context and is told on standard error."""

import re

from askr_cli.commands.trace import Trace
from tests.unit.askr_cli.terminals import KeptTerminal

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_new_trace_has_an_id_of_its_own_and_keeps_the_other_headers() -> None:
    terminal = KeptTerminal()
    trace = Trace(terminal, {"x": "y"})
    assert trace.headers["x"] == "y"
    match = re.fullmatch(r"00-([0-9a-f]{32})-[0-9a-f]{16}-01", trace.headers["traceparent"])
    assert match is not None
    trace.begin("'fetch'", "unix:/run/askrd.sock")
    trace.tell("agent-k3Tz9a answered")
    first, second, third = terminal.kept_err.text.splitlines()
    assert first == f"trace {match[1]}"
    assert second.endswith("ms  connected to unix:/run/askrd.sock, sending 'fetch'")
    assert third.endswith("ms  agent-k3Tz9a answered")
    assert terminal.kept_out.text == ""


def test_a_trace_that_is_given_goes_on() -> None:
    terminal = KeptTerminal()
    trace = Trace(terminal, {"traceparent": GIVEN})
    assert trace.headers["traceparent"].split("-")[1] == GIVEN.split("-")[1]
