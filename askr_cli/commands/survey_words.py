"""What is said about the rows of a survey: who, how it went, and how many were good."""

from typing import Any

from askr_cli.exits import error_object
from askr_cli.render import json_text, jsonable, member_text
from askr_cli.safe_text import escaped
from askrd.sdk.values import Row
from askrd.wire.bodies import Summary
from askrd.wire.errors import AskrError, ErrorCode


def is_enough(counts: Summary, *, wanted: int) -> bool:
    """Says whether as many rows were good as were wanted; 0 = all of them."""
    return counts.ok >= wanted if wanted else not (counts.failed or counts.lost)


def row_object(row: Row) -> dict[str, Any]:
    """Returns what `--json` prints for one row."""
    said: dict[str, Any] = {
        "from": {"service": row.service, "instance": row.instance},
        "ok": row.error is None,
    }
    if row.error is None:
        said["value"] = jsonable(row.value)
    else:
        said["error"] = error_object(row.error)["error"]
    return said | {"ms": round(row.ms, 3)}


def row_line(row: Row) -> str:
    """Returns one row on one safe line: who, and the value or what failed."""
    who = member_text(row.service, row.instance)
    if row.error is None:
        return f"{who} {json_text(row.value)}"
    return f"{who} {verdict(row)}: {failure_text(row.error)}"


def verdict(row: Row) -> str:
    """Returns `ok`, `failed` or `lost`."""
    if row.error is None:
        return "ok"
    return "lost" if row.error.code == ErrorCode.INSTANCE_LOST else "failed"


def failure_text(error: AskrError) -> str:
    """Returns why a member failed, on one safe line."""
    return escaped(f"{error} ({error.code})")


def summary_text(counts: Summary, *, wanted: int) -> str:
    """Returns the last line for people: `3 ok, 1 failed, 0 lost`."""
    text = f"{counts.ok} ok, {counts.failed} failed, {counts.lost} lost"
    if is_enough(counts, wanted=wanted) or not wanted:
        return text
    rows = "good row was" if wanted == 1 else "good rows were"
    return f"{text}: {wanted} {rows} wanted"
