"""What a caller wants of a command beyond an answer from whoever is next, as OPTIONS of its call."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

from askrd.sdk.values import Row
from askrd.wire.bodies import CallOptions
from askrd.wire.errors import BadRequest
from askrd.wire.limits import DEFAULT_LIMITS, IDEMPOTENCY_KEY_CHARS_MAX, TTL_MS_MAX
from askrd.wire.names import check_word, shown

Exclude = str | Iterable[str] | None
"""Ids of instances that are not to be asked; one may stand alone."""
Wait = float | bool | None
"""Seconds to wait for somebody who offers the command; True = as long as the timeout."""


class TellWishes(TypedDict, total=False):
    """Arguments of `Client.tell`, for those who pass them on."""

    timeout: float | None
    headers: Mapping[str, str] | None
    key: str | None
    wait: Wait
    version: str | None
    exclude: Exclude


class SendWishes(TellWishes, total=False):
    """Arguments of `Client.send`."""

    idempotency_key: str | None
    ack: bool
    upload: Any
    as_: Any


class CallWishes(SendWishes, total=False):
    """Arguments of `Client.call`."""

    on_progress: Callable[[Any], None] | None
    on_row: Callable[[Row], None] | None


class StreamWishes(TellWishes, total=False):
    """Arguments of `Client.stream`."""

    upload: Any
    as_: Any
    on_progress: Callable[[Any], None] | None


class SurveyWishes(TypedDict, total=False):
    """Arguments of `Client.survey`."""

    timeout: float | None
    headers: Mapping[str, str] | None
    exclude: Exclude
    quorum: int | None
    first: bool
    ack: bool
    version: str | None
    as_: Any


class CollectWishes(TypedDict, total=False):
    """Arguments of `Client.collect`."""

    timeout: float
    headers: Mapping[str, str] | None
    as_: Any


def call_options(
    *,
    reply: str = "",
    key: str | None = None,
    idempotency_key: str | None = None,
    wait: Wait = None,
    timeout: float | None = None,
    version: str | None = None,
    exclude: Exclude = None,
    upload: Any = None,
) -> CallOptions:
    """Returns the options of a command for one instance.

    Args:
        reply: `ack`, `value` or `stream`; empty = a value, or less when the command gives less.
        key: what the policy `hash` goes by.
        idempotency_key: the same command under the same key takes effect once.
        wait: seconds to wait for somebody who offers it; True = as long as the timeout.
        timeout: the command's own, in seconds.
        version: range of the service's version.
        exclude: instances that are not to be asked.
        upload: where items come from; None = there are none.

    Raises:
        BadRequest: one of them makes no sense; nothing was sent.
        TypeError: one of them has the wrong type.
    """
    if upload is not None and reply == "ack":
        raise BadRequest(
            "ack=True ends the command for this side before the upload does; leave one of them out"
        )
    return CallOptions(
        reply=reply,
        upload="" if upload is None else "items",
        exclude=instances_of(exclude),
        key=_text("key", key),
        idempotency_key=_text("idempotency_key", idempotency_key, IDEMPOTENCY_KEY_CHARS_MAX),
        version=_text("version", version),
        wait_ms=wait_ms_of(wait, timeout),
    )


def survey_options(
    *,
    first: bool = False,
    quorum: int | None = None,
    version: str | None = None,
    exclude: Exclude = None,
    ack: bool = False,
) -> CallOptions:
    """Returns the options of a command for every instance that its address fits.

    Raises:
        BadRequest: ``quorum`` is below 1, or stands beside ``first``.
        TypeError: one of them has the wrong type.
    """
    if quorum is not None:
        if isinstance(quorum, bool) or not isinstance(quorum, int):
            raise TypeError(f"quorum={quorum!r}: a quorum is a number of good rows, as quorum=2")
        if quorum < 1:
            raise BadRequest(
                f"quorum={quorum}: a quorum is at least 1; leave it out to wait for all of them"
            )
        if first:
            raise BadRequest("first=True is quorum=1; give one of them")
    return CallOptions(
        reply="ack" if ack else "",
        all=True,
        first=first,
        quorum=quorum or 0,
        exclude=instances_of(exclude),
        version=_text("version", version),
    )


def instances_of(exclude: Exclude) -> list[str]:
    """Returns instance ids as a list.

    Raises:
        BadRequest: one of them cannot be an instance's id.
        TypeError: it is neither an id nor several of them.
    """
    if not exclude:
        return []
    ids = [exclude] if isinstance(exclude, str) else list(exclude)
    for id_ in ids:
        if not isinstance(id_, str):
            raise TypeError(
                f"exclude={exclude!r}: it takes ids of instances, as exclude=['k3Tz9a']"
            )
        check_word(id_, "instance")
    return ids


def wait_ms_of(wait: Wait, timeout: float | None) -> int:
    """Returns how long to wait for somebody who offers a command, in milliseconds; 0 = not at all.

    Raises:
        BadRequest: it is below 0, or above 49 days.
    """
    if wait is None or wait is False:
        return 0
    if wait is True:
        wait = DEFAULT_LIMITS.command_timeout_ms / 1000 if timeout is None else timeout
    if not 0 <= wait * 1000 <= TTL_MS_MAX:
        raise BadRequest(
            f"wait={wait}: seconds from 0 to 49 days, or True for as long as the timeout"
        )
    return round(wait * 1000)


def _text(name: str, value: str | None, chars_max: int = 0) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r}: it takes a string, as {name}={str(value)!r}")
    if not value:
        raise BadRequest(f"{name} is empty; leave it out, or say something")
    if chars_max and len(value) > chars_max:
        raise BadRequest(
            f"{name}={shown(value)} has {len(value)} characters; at most {chars_max} are allowed"
        )
    return value
