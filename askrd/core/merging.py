"""Values worked out from the one that is there: a merge patch (RFC 7396), and a counter."""

from __future__ import annotations

import msgspec

from askrd.wire.errors import BadRequest
from askrd.wire.frames import Coding
from askrd.wire.limits import JSON_DEPTH_MAX

COUNT_MAX = 2**63 - 1
"""A counter is an integer of 64 bits; so is its step."""

_ANY = msgspec.json.Decoder()
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_INTEGER = msgspec.json.Decoder(int)
_ENCODER = msgspec.json.Encoder()
_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Members = dict[str, msgspec.Raw]


def merged(value: bytes, coding: int, patch: bytes) -> bytes:
    """Returns ``value`` with a merge patch applied; the very same object when nothing changes.

    What the patch does not name keeps its bytes, so that no number loses digits.

    Args:
        value: what is there; empty = nothing.
        coding: what its bytes are.
        patch: JSON.

    Raises:
        BadRequest: one of them is not JSON, or the patch is nested too deeply.
    """
    _check_json(patch, "the patch")
    if value and coding != Coding.JSON:
        raise BadRequest("the entry holds bytes, and a patch changes JSON; write it with set")
    after = _merge(value, patch, 0)
    if value and (after == value or _plain(after) == _plain(value)):
        return value
    return after


def _check_json(text: bytes, what: str) -> None:
    try:
        _ANY.decode(text)
    except _NOT_JSON as exc:
        raise BadRequest(f"{what} is not JSON: {exc}") from exc


def _plain(text: bytes) -> bytes:
    """JSON as this daemon would write it, for comparison; what is none stays as it is."""
    try:
        return _ENCODER.encode(_ANY.decode(text))
    except _NOT_JSON:
        return text


def _merge(value: bytes, patch: bytes, depth: int) -> bytes:
    changes = _members(patch)
    if changes is None:
        return patch
    if depth >= JSON_DEPTH_MAX:
        raise BadRequest(f"the patch is nested deeper than {JSON_DEPTH_MAX}")
    members = _members(value) or {}
    for name, change in changes.items():
        told = bytes(change)
        if told == b"null":
            members.pop(name, None)
        else:
            there = members.get(name)
            inner = _merge(bytes(there) if there is not None else b"", told, depth + 1)
            members[name] = msgspec.Raw(inner)
    return _ENCODER.encode(members)


def _members(text: bytes) -> Members | None:
    """The members of a JSON object, each as it stands; None when it is something else."""
    if not text.lstrip(b" \t\r\n").startswith(b"{"):
        return None
    try:
        return _MEMBERS.decode(text)
    except _NOT_JSON as exc:
        raise BadRequest(f"the value cannot be patched: {exc}") from exc


def counted(value: bytes, coding: int, step: bytes, step_coding: int) -> bytes:
    """Returns a counter moved by a step.

    Args:
        value: what is there; empty = 0.
        coding: what its bytes are.
        step: an integer; empty = 1.
        step_coding: what its bytes are.

    Raises:
        BadRequest: one of them is no integer, or the result does not fit into 64 bits.
    """
    by = _integer(step, step_coding, "the step") if step else 1
    there = _integer(value, coding, "the entry") if value else 0
    result = there + by
    if not -COUNT_MAX - 1 <= result <= COUNT_MAX:
        raise BadRequest(f"{there} {by:+} does not fit into 64 bits; nothing was written")
    return b"%d" % result


def _integer(text: bytes, coding: int, what: str) -> int:
    if coding != Coding.JSON:
        raise BadRequest(f"{what} is bytes, and a counter is an integer; nothing was written")
    try:
        number = _INTEGER.decode(text)
    except _NOT_JSON as exc:
        raise BadRequest(
            f"{what} is no integer, and a counter is one; nothing was written"
        ) from exc
    if not -COUNT_MAX - 1 <= number <= COUNT_MAX:
        raise BadRequest(f"{what} does not fit into 64 bits")
    return number
