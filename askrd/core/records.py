"""Rows beside the state that a store keeps: retained events, logs, consumers, queues, jobs."""

from __future__ import annotations

from askrd.core import commits
from askrd.core.effects import Record
from askrd.core.gate import Deed, Gated
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.frames import Frame, Kind

AGAIN_US = 5_000_000
"""So long after a refusal the store is tried again, whether somebody writes or not."""
_NOT_ASKED = Frame(kind=Kind.PUT)


def keep(
    board: Switchboard,
    workspace: Workspace,
    shelf: str,
    key: str,
    value: bytes | None,
    *,
    deed: Deed | None = None,
    session: Session | None = None,
    frame: Frame = _NOT_ASKED,
) -> None:
    """Has the store keep a row, or forget it.

    Without a deed it is **loose**: nobody waits for it, and after a refusal of the store it is
    written again with the next row.

    Args:
        board: the tables.
        workspace: where.
        shelf: what kind of row.
        key: its name there.
        value: what it is; None = it goes.
        deed: what happens once that is safe, in the order of all that waits for the store.
        session: who asked for it; the id of its request is in use until then. None = nobody.
        frame: what it asked.
    """
    gate = board.gate
    if gate.is_behind:
        save_again(board)
    _write(board, workspace.name, shelf, key, value)
    if deed is None:
        gate.follow_row((workspace.name, shelf, key), value)
    else:
        commits.park(board, Gated(gate.ticket, session, frame, deed=deed))


def in_turn(
    board: Switchboard, deed: Deed, session: Session | None = None, frame: Frame = _NOT_ASKED
) -> None:
    """Has a deed happen behind everything that waits for the store; at once when nothing does."""
    gate = board.gate
    if gate.committed == gate.ticket and not len(gate):
        deed.done(board)
    else:
        commits.park(board, Gated(gate.ticket, session, frame, deed=deed))


def save_again(board: Switchboard) -> None:
    """Has the store try once more to keep what it refused: rows, and state that was answered for."""
    commits.save_again(board)
    unsaved, board.gate.unsaved_rows = board.gate.unsaved_rows, {}
    for (name, shelf, key), value in unsaved.items():
        _write(board, name, shelf, key, value)
        board.gate.follow_row((name, shelf, key), value)


def persevere(board: Switchboard) -> None:
    """Has a store that has refused be tried again and again, also when nobody writes."""
    board.alarms.arm("the store refused", board.now_us + AGAIN_US, _try_again)


def _try_again(board: Switchboard) -> None:
    if board.gate.is_behind:
        save_again(board)
    elif board.gate.refusal:
        commits.probe(board)


def _write(board: Switchboard, workspace: str, shelf: str, key: str, value: bytes | None) -> None:
    board.gate.ticket += 1
    if value:
        board.gate.weigh(len(value))
    board.effects.append(Record(board.gate.ticket, workspace, shelf, key, value))
