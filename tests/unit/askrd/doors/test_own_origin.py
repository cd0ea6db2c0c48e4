"""Which names and pages are the daemon's own."""

import pytest

from askrd.doors.own_origin import is_own_host, is_own_origin

OWN = [
    "localhost", "localhost:8800", "app.localhost:1", "127.0.0.1", "127.0.0.1:8800", "192.0.2.7:80",
    "[::1]", "[::1]:8800", "container", "container:8800",
]  # fmt: skip
STRANGE = [
    "", ":8800", "rebound.example", "rebound.example:8800", "127.0.0.1.rebound.example", "127.0.0.1:x",
    "[rebound.example]", "a@b", "a/b", "localhost.rebound.example", "[::1", "bücher",
]  # fmt: skip


@pytest.mark.parametrize("host", OWN)
def test_addresses_and_names_that_nobody_else_can_have_are_own(host: str) -> None:
    assert is_own_host(host)
    assert is_own_origin(f"http://{host}", host)
    assert is_own_origin(f"https://{host}", host)


@pytest.mark.parametrize("host", STRANGE)
def test_other_names_are_not(host: str) -> None:
    assert not is_own_host(host)
    assert not is_own_origin(f"http://{host}", host)


@pytest.mark.parametrize(
    "origin", ["null", "", "http://localhost", "http://127.0.0.1:8800", "file://"]
)
def test_another_port_or_name_is_another_origin(origin: str) -> None:
    assert not is_own_origin(origin, "localhost:8800")
