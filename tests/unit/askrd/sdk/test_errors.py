"""Holds the errors only a client can say, and how it words what the system says."""

import errno
import ssl

import pytest

from askrd.sdk.errors import CannotConnect, lost, reason_of, refuse_unbuilt, too_few, why_of
from askrd.wire.errors import ERROR_CLASSES, Unavailable


def refused(reason: str, said: str = "") -> ssl.SSLError:
    error = ssl.SSLCertVerificationError(1, "no")
    error.reason, error.verify_message = reason, said
    return error


def test_a_daemon_that_cannot_be_reached_is_unavailable() -> None:
    error = CannotConnect("ws://127.0.0.1:8800", "connection refused")

    assert isinstance(error, Unavailable)
    assert error.code == "unavailable"
    assert ERROR_CLASSES["unavailable"] is Unavailable
    assert str(error) == (
        "cannot reach askrd at ws://127.0.0.1:8800 (connection refused). Start one: askrd serve"
    )
    assert error.details == {"url": "ws://127.0.0.1:8800", "reason": "connection refused"}


@pytest.mark.parametrize(("delivered", "retryable"), [("no", True), ("unknown", False)])
def test_a_lost_request_may_be_repeated_only_if_it_was_not_sent(
    delivered: str, retryable: bool
) -> None:
    error = lost("cable pulled", delivered=delivered)

    assert (error.details, error.retryable) == ({"delivered": delivered}, retryable)


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused"),
        (OSError(errno.ECONNREFUSED, "Connect call failed ('::1', 1)"), "connection refused"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] Other"),
            "connection refused",
        ),
        (OSError(-2, "Name or service not known"), "name or service not known"),
        (ssl.SSLError(1, "certificate verify failed"), "certificate verify failed"),
        (refused("WRONG_VERSION_NUMBER"), "no TLS is spoken there"),
        (
            refused("CERTIFICATE_VERIFY_FAILED", "self-signed certificate"),
            (
                "its certificate is not trusted: self-signed certificate; "
                "SSL_CERT_FILE names one that is"
            ),
        ),
        (UnicodeError("label too long"), "label too long"),
    ],
)
def test_the_systems_reason_is_said_in_a_few_words(exc: OSError | ValueError, reason: str) -> None:
    assert reason_of(exc) == reason


def test_arguments_of_later_versions_are_refused_unless_they_say_nothing() -> None:
    refuse_unbuilt("send", key=None, retain=False)
    for value in (True, "", 0, "k"):
        with pytest.raises(TypeError, match=r"emit\(\): the argument 'retain' is not built yet"):
            refuse_unbuilt("emit", retain=value)


@pytest.mark.parametrize(
    ("came", "wanted", "sentence"),
    [
        (2, 3, "only 2 of 3 events came within 5 s"),
        (0, 3, "only 0 of 3 events came within 5 s"),
        (0, 1, "no event came within 5 s"),
    ],
)
def test_too_few_events_are_counted_in_plain_words(came: int, wanted: int, sentence: str) -> None:
    error = too_few(came, wanted, 5.0)

    assert error.message == sentence
    assert error.details == {"wanted": wanted, "missing": wanted - came}


@pytest.mark.parametrize("delivered", ["no", "unknown"])
def test_what_happened_is_said_once_however_many_requests_it_costs(delivered: str) -> None:
    first = lost("the daemon closed the connection", delivered=delivered)

    assert why_of(first) == "the daemon closed the connection"
    assert why_of(CannotConnect("unix:x", "connection refused")).startswith("cannot reach askrd")


@pytest.mark.parametrize(
    ("reason", "advice"),
    [("connection refused", ". Start one: askrd serve"), ("no TLS is spoken there", ")")],
)
def test_nobody_is_told_to_start_a_daemon_that_is_there(reason: str, advice: str) -> None:
    assert str(CannotConnect("askrs://h:1", reason)).endswith(advice)
