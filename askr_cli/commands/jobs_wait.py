"""`askr jobs wait`: waits for the end of a job and prints the value it ended with."""

from typing import TYPE_CHECKING

from askr_cli.commands.frames import show
from askr_cli.commands.jobs import Job, Row, ask, dry, error_text, value_of
from askr_cli.commands.listen import Wait
from askr_cli.exits import Exit
from askr_cli.job_states import ENDED, JobState
from askr_cli.render import json_text
from askr_cli.terminal import Terminal
from askrd.sdk.job import ENDED as JOB_ENDED, end_in
from askrd.sdk.values import Gap
from askrd.wire.errors import DeadlineExceeded, NotFound

if TYPE_CHECKING:
    from askrd.sdk.blocking_readers import EventReader


def wait(terminal: Terminal, job: Job) -> int:
    """Waits until a job has ended and prints its value; exit code 6 when it ended badly."""
    if terminal.dry_run:
        show(terminal, "sub", pattern=JOB_ENDED)
        return dry(terminal, "show", id=job)
    span = Wait(terminal, count=None, idle_ms=None)
    client = terminal.client(reconnect=True)
    # It listens before it looks: an end in between is heard.
    with client.listen(JOB_ENDED, timeout=span.timeout_s, gaps=True) as ends:
        row: Row = ask(terminal, "show", id=job)
        if row["state"] not in ENDED:
            terminal.note(f"job {job} is {row['state']}; waiting for its end  (Ctrl-C)")
        while row["state"] not in ENDED:
            row = _next_end(terminal, ends, row)
    return _tell(terminal, job, row)


def _next_end(terminal: Terminal, ends: "EventReader", row: Row) -> Row:
    """Returns what is known of a job when it has ended, or may have without a word.

    Raises:
        DeadlineExceeded: the time was over before.
    """
    job = row["id"]
    for told in ends:
        if isinstance(told, Gap):
            return dict(ask(terminal, "show", id=job))
        if end := end_in(told.payload, job):
            try:
                return dict(ask(terminal, "show", id=job))
            except NotFound:
                return end.row  # its outcome is not kept: this is all of it
    raise DeadlineExceeded(
        f"job {job} has not ended yet; it was {row['state']}. It goes on. Wait longer: --timeout D",
        details={"id": job},
        at="client",
    )


def _tell(terminal: Terminal, job: str, row: Row) -> int:
    is_good = row.get("state") == JobState.DONE
    value = value_of(row)
    if terminal.json:
        terminal.print_json(row)
    elif is_good and value is not None:
        pretty = terminal.out_is_terminal
        terminal.write_safe(json_text(value, pretty=pretty, colour=terminal.colour))
    if is_good:
        return Exit.DONE
    why = error_text(row)
    why = f": {why}" if why else ""
    terminal.say(f"job {job} {_became(row)}{why}  (askr jobs retry {job})")
    return Exit.REMOTE


def _became(row: Row) -> str:
    match row.get("state"):
        case JobState.DEAD:
            tries = row.get("attempts", 0)
            return "was given up after " + ("1 attempt" if tries == 1 else f"{tries} attempts")
        case JobState.CANCELLED:
            return "was cancelled"
        case _:
            return "failed"
