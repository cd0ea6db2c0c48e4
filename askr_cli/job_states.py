"""What may have become of a job in a durable queue."""

from enum import StrEnum


class JobState(StrEnum):
    """What may have become of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"


ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.DEAD, JobState.CANCELLED})
"""States that a job leaves only when somebody retries it."""
