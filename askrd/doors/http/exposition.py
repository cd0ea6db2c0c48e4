"""The daemon's counters as prometheus-client writes them; loaded when they are first asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from askrd.core.switchboard import Switchboard
from askrd.doors.http.figures import command_rows

COUNTERS = {
    "replies": "Commands that were answered.",
    "fails": "Commands that failed.",
    "events": "Events that were emitted.",
    "deliveries": "Events that were given to listeners.",
    "dropped": "Events that slow readers lost.",
    "forged_replies": "Answers to commands that were never given.",
    "late_replies": "Answers that came when nobody waited any more.",
    "datagrams": "Datagrams that came.",
    "datagrams_dropped": "Datagrams that were no event, and were dropped.",
}
"""Totals of the core, and what they count."""


class Figures(Collector):
    """What one scrape shows of one daemon."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Gives every figure, read from the tables of the core."""
        board = self._board
        yield InfoMetricFamily(
            "askrd", "The daemon.", {"version": board.daemon.version, "build": board.daemon.build}
        )
        totals = board.totals.as_json()
        totals["dropped"] += sum(session.outbox.dropped for session in board.sessions)
        for name, sentence in COUNTERS.items():
            yield CounterMetricFamily(f"askrd_{name}", sentence, totals[name])
        yield from self._gauges()
        yield from self._commands()

    def _gauges(self) -> Iterator[Metric]:
        board, spaces = self._board, list(self._board.workspaces.values())
        services = [s for space in spaces for s in space.destinations.services.values()]
        uptime_s = (board.now_us - board.started_us) / 1_000_000
        yield GaugeMetricFamily("askrd_uptime_seconds", "Time since the start.", uptime_s)
        yield GaugeMetricFamily("askrd_sessions", "Sessions that are open.", len(board.sessions))
        instances = sum(len(service.instances) for service in services)
        yield GaugeMetricFamily("askrd_instances", "Instances of services.", instances)
        yield GaugeMetricFamily(
            "askrd_commands_in_flight",
            "Commands that are not answered yet.",
            sum(len(session.asking) for session in board.sessions),
        )
        yield GaugeMetricFamily(
            "askrd_commands_waiting",
            "Commands that wait for an instance.",
            sum(service.waiting_count for service in services),
        )
        yield GaugeMetricFamily(
            "askrd_state_writes_waiting",
            "State writes that wait for the store.",
            board.gate.ticket - board.gate.committed,
        )
        yield GaugeMetricFamily(
            "askrd_draining", "1 while the daemon is shutting down.", int(board.is_draining)
        )

    def _commands(self) -> Iterator[Metric]:
        labels = ("workspace", "command")
        calls = CounterMetricFamily(
            "askrd_commands", "Commands that were given to an instance.", labels=labels
        )
        errors = CounterMetricFamily(
            "askrd_command_errors", "Commands that ended in no reply.", labels=labels
        )
        for workspace, row in command_rows(self._board):
            calls.add_metric((workspace, row.name), row.calls)
            errors.add_metric((workspace, row.name), row.errors)
        yield calls
        yield errors


def exposition(board: Switchboard, accept: str) -> tuple[bytes, str]:
    """Returns the figures in the form that a scraper accepts, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(board))
    encode, kind = choose_encoder(accept)
    return encode(registry), kind
