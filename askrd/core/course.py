"""What a command carries that is more than a question to one instance and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askrd.wire.bodies import CallOptions
from askrd.wire.codec import Raw

if TYPE_CHECKING:
    from askrd.core.flow import Flow
    from askrd.core.jobs import Job
    from askrd.core.services import Instance
    from askrd.core.session import Entry
    from askrd.core.shelf import Kept

NO_OPTIONS = CallOptions()
"""What a caller wants that says nothing."""
MODES = ("none", "ack", "value", "stream")
"""Reply modes, the least first."""


class Survey:
    """One survey while it runs.

    Attributes:
        entry: its place in the caller's ``asking``.
        pending: the members that have not answered, with their rows.
        enough: good rows after which the others are not waited for; 0 = all are.
        ok, failed, lost: rows so far.
    """

    __slots__ = ("enough", "entry", "failed", "lost", "ok", "pending")

    def __init__(self, entry: Entry, enough: int) -> None:
        self.entry = entry
        self.enough = enough
        self.pending: dict[Instance, Entry] = {}
        self.ok = 0
        self.failed = 0
        self.lost = 0


class Course:
    """How one command goes on; `Entry` holds one where a plain command has None.

    Attributes:
        mode: the reply mode caller and service agreed on.
        options: what the caller wants.
        due_us: when it is given up, in place of the entry's deadline once a stream has begun; 0 = the
            deadline counts.
        is_counted: whether it counts in its instance's load until the instance answers.
        is_accepted: whether the caller has its `ack`.
        has_spoken: whether the instance has said anything about it.
        caller: the caller's stamp and id there, for news about it after the caller has its answer.
        again: the frame's tail and rest, for one more instance when this one is lost; None = no more.
        tried: instances that were lost with it.
        survey: the survey it is one row of, or that it is the caller's side of.
        kept: what is remembered under its idempotency key.
        job: the job it is one attempt of; then nobody waits for its outcome.
        down, up: credit of its streams; None = that direction has none, or has ended.
        held: stream frames of the caller that came while the command waited for an instance.
    """

    __slots__ = (
        "again",
        "caller",
        "down",
        "due_us",
        "has_spoken",
        "held",
        "is_accepted",
        "is_counted",
        "job",
        "kept",
        "mode",
        "options",
        "survey",
        "tried",
        "up",
    )

    def __init__(self, mode: str, options: CallOptions = NO_OPTIONS) -> None:
        self.mode = mode
        self.options = options
        self.due_us = 0
        self.is_counted = False
        self.is_accepted = False
        self.has_spoken = False
        self.caller = (b"", 0)
        self.again: tuple[int, Raw] | None = None
        self.tried: tuple[Instance, ...] = ()
        self.survey: Survey | None = None
        self.kept: Kept | None = None
        self.job: Job | None = None
        self.down: Flow | None = None
        self.up: Flow | None = None
        self.held: list[bytes] = []

    def let_go(self) -> None:
        """Drops what only a command under way needs: others remember it for a while."""
        self.again = None
        self.tried = ()
        self.held = []

    def renew(self, now_us: int, idle_ms: int, deadline_us: int) -> None:
        """Takes note that a stream has begun or goes on: from now on its silence counts.

        A payload in pieces is none its caller knows of: the deadline stays, when that is later.
        """
        self.due_us = now_us + idle_ms * 1000
        if self.options.upload == "payload":
            self.due_us = max(self.due_us, deadline_us)
