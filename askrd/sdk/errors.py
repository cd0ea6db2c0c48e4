"""What only a client can say went wrong: it found no daemon, or lost the one it had."""

import errno
import os
import re

from askrd.wire.errors import AskrError, ConnectionLost, DeadlineExceeded, Unavailable

_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
_NO_TLS = "WRONG_VERSION_NUMBER"
_OF_TLS = ("TLS", "certificate")
"""What reasons speak of when somebody is there."""
_UNSENT = "; the request was not sent, it may be repeated"
_UNKNOWN = "; whether the request was carried out is unknown"
_ERRNO = re.compile(r"\[Errno (\d+)\]")


class CannotConnect(Unavailable):
    """No daemon could be reached; nothing was sent.

    Attributes:
        url: where it was looked for; several places are joined by ``, ``.
        reason: why that failed, in words.
    """

    def __init__(self, url: str, reason: str) -> None:
        """Composes the sentence from where and why."""
        is_there = any(word in reason for word in _OF_TLS)
        super().__init__(
            f"cannot reach askrd at {url} ({reason})"
            + ("" if is_there else ". Start one: askrd serve"),
            details={"url": url, "reason": reason},
            at="client",
        )
        self.url = url
        self.reason = reason


def lost(why: str, *, delivered: str = "unknown") -> ConnectionLost:
    """Returns the error of a request whose connection broke.

    Args:
        why: what happened to the connection, in words.
        delivered: `no` when the request never left this process, else `unknown`.
    """
    is_unsent = delivered == "no"
    return ConnectionLost(
        why + (_UNSENT if is_unsent else _UNKNOWN),
        details={"delivered": delivered},
        retryable=is_unsent,
        at="client",
    )


def why_of(error: AskrError) -> str:
    """Returns what happened to the connection, without what `lost` said of the request."""
    return error.message.removesuffix(_UNSENT).removesuffix(_UNKNOWN)


def too_few(came: int, wanted: int, timeout: float) -> DeadlineExceeded:
    """Returns the error of a reader whose time is over before the events it wanted came."""
    if wanted == 1:
        sentence = f"no event came within {timeout:g} s"
    else:
        sentence = f"only {came} of {wanted} events came within {timeout:g} s"
    return DeadlineExceeded(
        sentence,
        details={"wanted": wanted, "missing": wanted - came},
        at="client",
    )


def refuse_unbuilt(what: str, **given: object) -> None:
    """Returns when no argument was given that a later version will take.

    Args:
        what: who was called.
        **given: these arguments; None and False say nothing.

    Raises:
        TypeError: one was given.
    """
    for name, value in given.items():
        if value is not None and value is not False:
            raise TypeError(f"{what}(): the argument '{name}' is not built yet; leave it out")


def reason_of(exc: OSError | ValueError) -> str:
    """Returns why the operating system refused, in a few words: `connection refused`."""
    if not isinstance(exc, OSError):
        return str(exc)
    why = getattr(exc, "reason", None)  # of ssl
    if why == _NO_TLS:
        return "no TLS is spoken there"
    if why == _UNTRUSTED:
        said = getattr(exc, "verify_message", "").rstrip(".")
        return f"its certificate is not trusted: {said}; SSL_CERT_FILE names one that is"
    number = exc.errno
    if number is None and (found := _ERRNO.search(str(exc))):  # asyncio, after several addresses
        number = int(found[1])
    if number is not None and number in errno.errorcode and type(exc).__module__ != "ssl":
        return os.strerror(number).lower()
    return (exc.strerror or str(exc) or type(exc).__name__).lower()
