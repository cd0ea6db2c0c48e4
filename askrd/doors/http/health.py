"""Whether the daemon lives, and whether it is ready, with reasons."""

from __future__ import annotations

from askrd.doors.http.answer import Answer, json_answer
from askrd.doors.http.request import Request
from askrd.wire.limits import GATED_MAX


async def healthz(_request: Request) -> Answer:
    """Says that the daemon lives: it could answer."""
    return json_answer({"ok": True})


async def readyz(request: Request) -> Answer:
    """Says whether the daemon takes everything new; 503 with the reasons when it does not."""
    board = request.surroundings.board
    reasons = []
    if board.is_draining:
        reasons.append(
            {"check": "draining", "message": "the daemon is shutting down and takes nothing new"}
        )
    if board.gate.is_full or board.gate.ticket - board.gate.committed >= GATED_MAX:
        reasons.append(
            {"check": "store", "message": f"{GATED_MAX} state writes wait for the store"}
        )
    if board.gate.refusal:
        reasons.append(
            {
                "check": "store",
                "message": f"the store cannot write ({board.gate.refusal}); it is tried again",
            }
        )
    if board.gate.is_behind:
        behind = len(board.gate.unsaved) + len(board.gate.unsaved_rows)
        reasons.append(
            {"check": "store", "message": f"{behind} writes that were answered are not kept yet"}
        )
    body = {"ready": not reasons, "reasons": reasons}
    return json_answer(body, 503 if reasons else 200)
