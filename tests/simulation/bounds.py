"""Bounds so low that a small world runs into every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from askrd.core import (
    collecting,
    commands,
    ejection,
    eligibility,
    flow,
    gate,
    links,
    recent,
    retained,
    router,
    routes,
    surveys,
    waiting,
    watches,
)
from askrd.wire.limits import Limits
from askrd.wire.tail import Tail

SMALL = Limits(
    handshake_timeout_ms=900,
    payload_bytes_max=2_000,
    subscriptions_max=6,
    commands_in_flight_max=8,
    outbox_bytes_max=14_000,
    outbox_frames_max=50,
    heartbeat_after_ms=1_000,
    unresponsive_after_ms=2_000,
    gone_after_ms=6_000,
    command_timeout_ms=3_000,
    stream_idle_ms=600,
    resume_terminal_ms=1_500,
    resume_service_ms=900,
)
"""Bounds so low that a small world runs into every one of them."""


GIB = 2**30
LOWERED = (
    (waiting, "WAITING_COMMANDS_MAX", 6),
    (waiting, "WAITING_BYTES_MAX", 2_500),
    (commands, "ASKED_MAX", 5),
    (router, "ASKED_MAX", 5),
    (routes, "ASKED_MAX", 5),
    (eligibility, "ASKED_MAX", 5),
    (flow, "STREAM_ITEMS", 3),
    (flow, "STREAM_BYTES", 900),
    (ejection, "FAILURES_MAX", 3),
    (ejection, "EJECTION_MS", 400),
    (surveys, "SURVEY_MEMBERS_MAX", 5),
    (watches, "WATCHES_MAX", 3),
    (recent, "RECENT_EVENTS_MAX", 40),
    (retained, "RETAINED_MAX", 4),
    (retained, "RETAINED_BYTES_MAX", 4_000),
    (collecting, "COLLECT_MS", 400),
    (gate, "GATED_MAX", 12),
    (Tail.__init__, "__defaults__", (0, 6_000)),
)
"""Bounds that no daemon configures, and what they are in a small world."""


@contextmanager
def small_bounds(*, is_cut: bool = False) -> Iterator[None]:
    """Lowers the bounds that no daemon configures.

    In a world that ``is_cut`` nobody is told in between what has arrived: it depends on the cuts.
    """
    lowered = [*LOWERED, (links, "CONFIRM_BYTES", GIB if is_cut else 1_500)]
    usual = [(module, name, getattr(module, name)) for module, name, _ in lowered]
    for module, name, value in lowered:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in usual:
            setattr(module, name, value)
