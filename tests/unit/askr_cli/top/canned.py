"""Counters as a daemon would give them, for the tests of this folder."""

from typing import Any


def stats(second: int, *, epoch: str = "e1", calls_per_s: int = 100) -> dict[str, Any]:
    """A value of ``$askr.stats`` that many seconds after the start."""
    return {
        "daemon": {
            "id": "d7Gk2p",
            "version": "0.1.0",
            "build": "pure, Python 3.11.7, uvloop",
            "uptime_ms": second * 1000,
            "workspace": "askr",
            "epoch": epoch,
        },
        "totals": {
            "commands": calls_per_s * second,
            "events": 8 * second,
            "deliveries": 16 * second,
            "fails": second,
            "dropped": 3,
            "in_flight": 4,
            "sessions": 2,
            "waiting": 5,
        },
        "commands": [
            {
                "name": "agent.fetch",
                "calls": calls_per_s * second,
                "errors": 0,
                "in_flight": 1,
                "p50_ms": 0.5,
                "p95_ms": 0.9,
                "p99_ms": 1.9,
            },
            {
                "name": "agent.crawl",
                "calls": 2 * second,
                "errors": second,
                "in_flight": 3,
                "p50_ms": 900.0,
                "p95_ms": 2000.0,
                "p99_ms": 3100.0,
            },
            {
                "name": "agent.idle",
                "calls": 0,
                "errors": 0,
                "in_flight": 0,
                "p50_ms": None,
                "p95_ms": None,
                "p99_ms": None,
            },
        ],
        "events": [
            {"event": "FETCHED_TIME", "count": 6 * second, "listeners": 2},
            {"event": "orders.\x1b[31mpaid", "count": 2 * second, "listeners": 0},
        ],
        "peers": [
            {
                "id": "askr-agent-k3Tz9a",
                "kind": "service",
                "name": "agent",
                "via": "unix",
                "in_flight": 4,
                "outbox_frames": 7,
                "outbox_bytes": 1204,
                "dropped": 3,
            },
            {"id": "askr-askr-aaaaaa", "kind": "terminal", "name": "askr", "via": "ws+json"},
        ],
        "queues": [{"service": "agent", "waiting": 5, "waiting_bytes": 9000}],
        "jobs": [
            {"target": "mail.post", "queued": 3, "running": 1, "done": 9, "failed": 0, "dead": 2},
            {"target": "mail.idle", "queued": 0, "running": 0, "done": 9, "failed": 0, "dead": 0},
        ],
        "logs": [{"name": "orders", "events": 12, "events_bytes": 3400, "consumers": 2}],
    }
