"""Which web pages may use the daemon."""

import pytest

from askrd.doors.http.answer import Refused
from askrd.doors.http.origins import check_origin, cors_headers, preflight_headers

ALLOWED = ("https://console.example.org",)
REFUSED = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "https://console.example.org.evil.example"},
    {"origin": "http://console.example.org"},
    {"sec-fetch-site": "cross-site", "host": "localhost:8800"},
    {"sec-fetch-site": "same-site", "host": "localhost:8800"},
    {"sec-fetch-site": "same-origin", "host": "rebound.example:8800"},
    {"sec-fetch-site": "same-origin", "host": "127.0.0.1.evil.example"},
    {"sec-fetch-site": "same-origin", "host": ""},
    {"origin": "http://rebound.example:8800", "host": "rebound.example:8800"},
    {"origin": "http://localhost:5173", "host": "localhost:8800"},
    {"origin": "http://127.0.0.1:8800", "host": "localhost:8800"},
    {"host": "rebound.example:8800"},
]
TAKEN = [
    {},
    {"host": "127.0.0.1:8800"},
    {"host": "container:8800"},
    {"host": "console.example.org"},
    {"origin": "http://localhost:8800", "host": "localhost:8800"},
    {"origin": "http://[::1]:8800", "host": "[::1]:8800"},
    {"origin": "https://console.example.org"},
    {"sec-fetch-site": "none", "host": "anything.example"},
    {"sec-fetch-site": "same-origin", "host": "localhost:8800"},
    {"sec-fetch-site": "same-origin", "host": "127.0.0.1"},
    {"sec-fetch-site": "same-origin", "host": "[::1]:8800"},
    {"sec-fetch-site": "same-origin", "host": "console.example.org"},
]


@pytest.mark.parametrize("headers", REFUSED, ids=range(len(REFUSED)))
def test_a_foreign_page_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        check_origin(headers, ALLOWED)
    assert refused.value.answer.status == 403


@pytest.mark.parametrize("headers", TAKEN, ids=range(len(TAKEN)))
def test_programs_and_allowed_pages_are_served(headers: dict[str, str]) -> None:
    check_origin(headers, ALLOWED)


def test_a_name_that_a_certificate_proved_is_no_stranger() -> None:
    check_origin({"host": "anything.example"}, ALLOWED, is_proved=True)
    with pytest.raises(Refused):
        check_origin({"host": "a.example", "origin": "https://a.example"}, (), is_proved=True)


def test_only_pages_are_told_about_origins() -> None:
    assert cors_headers({}) == {}
    assert (
        cors_headers({"origin": "https://a.example"})["access-control-allow-origin"]
        == "https://a.example"
    )


def test_options_says_more_to_a_page_that_asks_for_it() -> None:
    assert preflight_headers({}, "GET") == {"allow": "GET"}
    asked = {
        "origin": "x",
        "access-control-request-method": "POST",
        "access-control-request-headers": "a, b",
    }
    assert preflight_headers(asked, "POST")["access-control-allow-headers"] == "a, b"
