"""`askr jobs list`, `show` and `queues`: the commands that wait in durable queues, and how they ended."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from askr_cli.commands.frames import show_call
from askr_cli.commands.registry import print_table
from askr_cli.daemon_rows import rows_in, said
from askr_cli.exits import Exit
from askr_cli.job_states import JobState
from askr_cli.render import date_and_clock, json_text
from askr_cli.safe_text import escaped
from askr_cli.terminal import Terminal
from askrd.wire.errors import ErrorCode

JOBS_SHOWN = 100

Job = Annotated[
    str,
    typer.Argument(metavar="JOB", help="its id, as askr send told it", show_default=False),
]
Jobs = Annotated[
    list[str], typer.Argument(metavar="JOB...", help="ids of jobs", show_default=False)
]
JobsOrNone = Annotated[
    list[str] | None,
    typer.Argument(metavar="[JOB]...", help="ids of jobs", show_default=False),
]
Queue = Annotated[
    str | None, typer.Argument(metavar="[TARGET]", help="only of this command: agent.crawl")
]
State = Annotated[
    JobState | None,
    typer.Option("--state", metavar="STATE", help="only those: queued running done failed dead"),
]
Most = Annotated[
    int, typer.Option("--limit", min=1, metavar="N", help="at most N, the newest ones")
]
Row = Mapping[str, Any]


def list_(
    terminal: Terminal, target: Queue = None, *, state: State = None, limit: Most = JOBS_SHOWN
) -> int:
    """Lists the jobs of the workspace."""
    body = {"target": target, "state": state and str(state), "limit": limit}
    if terminal.dry_run:
        return dry(terminal, "list", **body)
    rows = rows_in(ask(terminal, "list", **body), "jobs")
    if terminal.json:
        terminal.print_json(rows)
        return Exit.DONE
    head = ("job", "command", "state", "attempts", "since", "error")
    print_table(terminal, head, [_cells(row) for row in rows])
    if not rows:
        terminal.note("there is no such job" if target or state else "there is no job")
    elif len(rows) == limit:
        terminal.note(f"these are {limit}; there may be more: --limit N")
    return Exit.DONE


def queues(terminal: Terminal) -> int:
    """Lists the queues with how many of their jobs wait, run and have ended."""
    if terminal.dry_run:
        return dry(terminal, "queues")
    rows = rows_in(ask(terminal, "queues"), "queues")
    if terminal.json:
        terminal.print_json(rows)
        return Exit.DONE
    states = [str(state) for state in JobState]
    table = [[_target(row), *(str(row.get(state, 0)) for state in states)] for row in rows]
    print_table(terminal, ["command", *states], table)
    if not rows:
        terminal.note("no service has declared a command as queued: @agent.command(queue=True)")
    return Exit.DONE


def show(terminal: Terminal, job: Job) -> int:
    """Shows one job: its state, its attempts and times, and its value or error."""
    if terminal.dry_run:
        return dry(terminal, "show", id=job)
    row = ask(terminal, "show", id=job)
    if terminal.json:
        terminal.print_json(row)
    else:
        terminal.write_safe("\n".join(job_lines(terminal, row)))
    return Exit.DONE


# --- what the verbs of jobs share ----------------------------------------------------------------


def ask(terminal: Terminal, what: str, **body: Any) -> Any:
    """Asks the daemon a command of `$askr.jobs` and returns its value.

    Args:
        terminal: whose connection and timeout are used.
        what: the command: `list`, `show` and so on.
        body: its arguments; those that are None are left out.
    """
    of = "list" if "id" in body else "queues"
    terminal.next_steps = {ErrorCode.NOT_FOUND: f"askr jobs {of}"}
    return terminal.client().send(f"$askr.jobs.{what}", said(body), timeout=terminal.timeout_s)


def dry(terminal: Terminal, what: str, **body: Any) -> int:
    """Shows the frame that `ask` would send; returns the exit code."""
    return show_call(terminal, f"$askr.jobs.{what}", said(body))


def error_text(row: Row) -> str:
    """Returns why a job failed last, on one line; empty when it did not."""
    error = row.get("error")
    if not isinstance(error, Mapping):
        return ""
    code, message = (str(error.get(name) or "") for name in ("code", "message"))
    return f"{message} ({code})" if message and code else message or code


def value_of(row: Row) -> Any:
    """Returns the value that a job ended with, as JSON has it; None when there is none."""
    return {"b": row["b"]} if "b" in row else row.get("value")


def _target(row: Row) -> str:
    return str(row.get("target", ""))


def _attempts(row: Row) -> str:
    most = row.get("attempts_max")
    return f"{row.get('attempts', 0)}" + (f" of {most}" if isinstance(most, int) else "")


def _since(row: Row) -> int | None:
    """When it came into the state that it is in, as far as the row says."""
    times = [row.get(name) for name in ("ended", "started", "created")]
    return next((time for time in times if isinstance(time, int) and time), None)


def _cells(row: Row) -> list[str]:
    since = _since(row)
    return [
        str(row.get("id", "")),
        _target(row),
        str(row.get("state", "")),
        _attempts(row),
        date_and_clock(since) if since else "-",
        error_text(row) or "-",
    ]


def job_lines(terminal: Terminal, row: Row) -> list[str]:
    """Returns what is known of a job, for people; every line is safe."""
    facts = [
        ("command", _target(row)),
        ("state", str(row.get("state", ""))),
        ("attempts", _attempts(row)),
        *_times(row),
    ]
    facts += [(word, str(row[word])) for word in ("caller", "instance") if row.get(word)]
    if row.get("request") is not None:
        facts.append(("payload", json_text(row["request"])))
    if "progress" in row:
        facts.append(("progress", json_text(row["progress"])))
    if error := error_text(row):
        facts.append(("error", error))
    lines = [f"job {escaped(str(row.get('id', '')))}", ""]
    lines += [f"{name.ljust(10)} {escaped(text)}" for name, text in facts]
    if row.get("state") == JobState.DONE:
        pretty = terminal.out_is_terminal
        value = json_text(value_of(row), pretty=pretty, colour=terminal.colour)
        lines += [f"{'value'.ljust(10)} {value}"]
    return lines


_TIMES = (
    ("created", "queued at"), ("started", "began at"), ("next", "again at"), ("ended", "ended at"),
)  # fmt: skip


def _times(row: Row) -> Iterable[tuple[str, str]]:
    for name, word in _TIMES:
        at = row.get(name)
        if isinstance(at, int) and at:
            yield word, f"{date_and_clock(at)}.{at % 1000:03d}"
