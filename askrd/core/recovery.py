"""What a store kept, back in the tables: the state, and every shelf of rows beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from askrd.core import attachments, commits, emitting, job_queues, job_rows, log_commands, retained
from askrd.core.state import Entry
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace

Taker = Callable[[Switchboard, Workspace, str, bytes], None]
"""Takes one row in: its key and its value."""

SHELVES: dict[str, Taker] = {
    retained.SHELF: emitting.restore,
    **log_commands.SHELVES,
    job_rows.SHELF: job_queues.restore_job,
    job_queues.SHELF: job_queues.restore_queue,
    attachments.SHELF: attachments.restore,
}
"""Who takes the rows of each shelf. Of a name such as ``log/orders`` what is before the ``/`` counts,
and the key its taker gets begins with the rest: ``orders/0000000000000001``."""


def restore(
    board: Switchboard,
    name: str,
    rows: Iterable[tuple[str, Entry]],
    head_rev: int,
    records: Iterable[tuple[str, str, bytes]],
) -> None:
    """Takes in what a store kept of a workspace.

    Args:
        board: the tables.
        name: of the workspace.
        rows: entries of its state.
        head_rev: no revision up to this one is given again.
        records: shelf, key and value of everything else, ordered by shelf and key.
    """
    commits.restore(board, name, rows, head_rev)
    workspace = board.workspace(name)
    for shelf, key, value in records:
        kind, _, rest = shelf.partition("/")
        take = SHELVES.get(kind)
        if take is None:
            board.note("row left alone", workspace=name, shelf=shelf, key=key)
        else:
            take(board, workspace, f"{rest}/{key}" if rest else key, value)
