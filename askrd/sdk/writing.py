"""What a write of state wants beside its value: a condition, a time to live, an owner, no waiting."""

from typing import Any, TypedDict

from askrd.sdk.shape import said
from askrd.wire.errors import BadRequest
from askrd.wire.frames import Coding
from askrd.wire.limits import TTL_MS_MAX
from askrd.wire.state import PutOptions

INCREMENT_MAX = 2**63 - 1
"""The largest step of a counter, and the largest value it can have."""


class DeleteWishes(TypedDict, total=False):
    """What a deletion may want: see `State.delete`."""

    if_rev: int | None
    fast: bool


class MergeWishes(DeleteWishes, total=False):
    """What a patch or a count may want: see `State.patch`."""

    ttl: float | None


class SetWishes(MergeWishes, total=False):
    """What a new value may want: see `State.set`."""

    ephemeral: bool


def writing(
    op: str = "",
    *,
    if_rev: int | None = None,
    ttl: float | None = None,
    ephemeral: bool = False,
    fast: bool = False,
) -> PutOptions:
    """Returns what a program said as what travels; ``ttl`` is in seconds.

    Raises:
        BadRequest: ``ttl`` is not above 0, or above 49 days.
    """
    return PutOptions(op=op, if_rev=if_rev, ttl_ms=_ttl_ms_of(ttl), ephemeral=ephemeral, fast=fast)


def step_of(by: int) -> tuple[bytes, Coding]:
    """Returns how much to count as a payload; one is none.

    Raises:
        BadRequest: it is no integer of 64 bits.
    """
    if type(by) is not int or abs(by) > INCREMENT_MAX:
        raise BadRequest(f"by={by!r}: a counter goes up or down by an integer of 64 bits")
    return (b"", Coding.NONE) if by == 1 else (b"%d" % by, Coding.JSON)


def patch_of(patch: Any) -> tuple[bytes, Coding]:
    """Returns a merge patch as a payload.

    Raises:
        BadRequest: it is bytes, which cannot be merged.
        SchemaInvalid: it cannot be said in JSON.
    """
    if patch is None:
        return b"null", Coding.JSON
    data, coding = said(patch, "the patch")
    if coding != Coding.JSON:
        raise BadRequest("a patch is JSON (RFC 7396), not bytes; set() writes bytes")
    return data, coding


def _ttl_ms_of(ttl: float | None) -> int | None:
    if ttl is None:
        return None
    if not 0 < ttl * 1000 <= TTL_MS_MAX:
        raise BadRequest(f"ttl={ttl}: a time to live is above 0 and at most 49 days, in seconds")
    return max(1, round(ttl * 1000))
