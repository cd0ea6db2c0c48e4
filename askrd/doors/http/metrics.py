"""`/metrics`: the daemon's counters for Prometheus, in its text form or as OpenMetrics.

Labels are bounded: commands are named up to a number, the most used first, and the rest is one
line; peers, ids and subjects are no labels.
"""

from __future__ import annotations

from askrd.doors.http.answer import Answer
from askrd.doors.http.request import Request


async def metrics(request: Request) -> Answer:
    """Returns the counters in the form that the client asks for."""
    from askrd.doors.http.exposition import exposition

    body, kind = exposition(request.surroundings.board, request.header("accept"))
    return Answer(200, body, kind)
