"""What is said to a command of the daemon, and the rows that it answers with."""

from collections.abc import Mapping
from typing import Any

import msgspec

from askr_cli.payload import Payload


def said(body: Mapping[str, Any]) -> Payload:
    """Returns the arguments of a command; those that are None are left out."""
    given = {name: value for name, value in body.items() if value is not None}
    return msgspec.Raw(msgspec.json.encode(given)) if given else None


def rows_in(told: Any, member: str) -> list[dict[str, Any]]:
    """Returns the rows in an answer: it is a list of them, or an object with a list in it."""
    found = told.get(member) if isinstance(told, Mapping) else told
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
