"""`askr jobs retry`, `cancel` and `purge`: gives jobs again, takes them back, forgets ended ones."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

from askr_cli.commands.jobs import Jobs, JobsOrNone, Queue, ask, dry
from askr_cli.daemon_rows import rows_in
from askr_cli.exits import Exit, Usage, error_object, exit_of
from askr_cli.job_states import ENDED, JobState
from askr_cli.render import error_sentence
from askr_cli.terminal import Terminal
from askrd.wire.errors import BadRequest, Conflict, NotFound

Ended = Annotated[
    JobState | None,
    typer.Option("--state", metavar="STATE", help="done, failed, dead, cancelled or queued"),
]
PURGED = ENDED | {JobState.QUEUED}
"""States of jobs that may be forgotten; one that runs is cancelled first."""
AGAIN = ENDED - {JobState.DONE}
"""States of jobs that may be tried again."""
PAGE = 1_000
"""Jobs that are asked for at once."""

Again = Annotated[
    JobState | None,
    typer.Option("--state", metavar="STATE", help="all that are failed, dead or cancelled"),
]
Target = Annotated[
    str | None,
    typer.Option("--target", metavar="TARGET", help="with --state: only of this command"),
]


def retry(
    terminal: Terminal, job: JobsOrNone = None, *, state: Again = None, target: Target = None
) -> int:
    """Puts jobs that have ended back into their queue, with all their attempts."""
    if (state is None) == (not job) or (target is not None and state is None):
        raise Usage("say which: JOB..., or --state failed, dead or cancelled (with --target)")
    if state is None:
        return _each(terminal, "retry", job or (), "is queued again")
    if state not in AGAIN:
        raise Usage(f"a job that is {state} is not tried again: --state failed, dead or cancelled")
    body = {"target": target, "state": str(state), "limit": PAGE}
    if terminal.dry_run:
        return dry(terminal, "list", **body)
    jobs = list(_ids(terminal, body))
    if not jobs:
        terminal.note(f"there is no job that is {state}")
    return _each(terminal, "retry", jobs, "is queued again")


def _ids(terminal: Terminal, body: dict[str, Any]) -> Iterator[str]:
    """Yields the ids of all jobs that fit, the newest first."""
    before = None
    while True:
        rows = rows_in(ask(terminal, "list", **body, before=before), "jobs")
        yield from (str(row["id"]) for row in rows)
        if len(rows) < PAGE:
            return
        before = str(rows[-1]["id"])


def cancel(terminal: Terminal, job: Jobs) -> int:
    """Takes jobs back: a queued one never runs, a running one is told to stop."""
    return _each(terminal, "cancel", job, "is cancelled")


def purge(terminal: Terminal, target: Queue = None, *, state: Ended = None) -> int:
    """Forgets jobs that are in one state; queued ones never run."""
    if state is None or state not in PURGED:
        raise Usage("say which to forget: --state done, failed, dead, cancelled or queued")
    body = {"target": target, "state": str(state)}
    if terminal.dry_run:
        return dry(terminal, "purge", **body)
    number, more = 0, True
    while more:
        told = ask(terminal, "purge", **body)
        number += told["purged"]
        more = bool(told.get("more"))
    if terminal.json:
        terminal.print_json({"ok": True, "purged": number})
    else:
        jobs = "1 job that was" if number == 1 else f"{number} jobs that were"
        terminal.note(f"forgot {jobs} {state}")
    return Exit.DONE


def _each(terminal: Terminal, what: str, jobs: Iterable[str], done: str) -> int:
    """Does it to each job; one that refuses is told, and those behind it go on.

    Returns:
        The exit code of the first that refused, 0 when none did.
    """
    code = Exit.DONE
    for job in jobs:
        if terminal.dry_run:
            dry(terminal, what, id=job)
            continue
        try:
            told = ask(terminal, what, id=job)
        except (BadRequest, Conflict, NotFound) as error:
            if terminal.json:
                terminal.print_json(error_object(error))
            terminal.say(error_sentence(error, terminal.next_steps))
            code = code or exit_of(error)
            continue
        if terminal.json:
            terminal.print_json({"ok": True} | (told if isinstance(told, dict) else {"id": job}))
        else:
            terminal.note(f"job {job} {done}")
    return code
