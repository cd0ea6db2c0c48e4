"""URLs of clients and listeners, and where the default socket is."""

import pytest

from askrd.wire.addresses import (
    DaemonAddress,
    ListenAddress,
    parse_listen,
    parse_node_askr,
    parse_url,
    runtime_socket,
    temp_directory,
)
from askrd.wire.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ws://127.0.0.1:8800", DaemonAddress("ws", "127.0.0.1", 8800, "/")),
        ("ws://relay", DaemonAddress("ws", "relay", 80, "/")),
        ("wss://relay.example/askr", DaemonAddress("wss", "relay.example", 443, "/askr")),
        ("http://h:1", DaemonAddress("http", "h", 1, "/")),
        ("https://h", DaemonAddress("https", "h", 443, "/")),
        ("tcp://h", DaemonAddress("tcp", "h", 8800)),
        ("tcp://h:9/", DaemonAddress("tcp", "h", 9)),
        ("askrs://[::1]:9", DaemonAddress("askrs", "::1", 9)),
        ("unix:/run/a.sock", DaemonAddress("unix", path="/run/a.sock")),
        ("unix:///run/a.sock", DaemonAddress("unix", path="/run/a.sock")),
        ("UNIX:a.sock", DaemonAddress("unix", path="a.sock")),
        ("WS://H:1", DaemonAddress("ws", "H", 1, "/")),
    ],
)
def test_client_url_is_read(text: str, address: DaemonAddress) -> None:
    assert parse_url(text) == address


@pytest.mark.parametrize("text", ["ws://h:80", "wss://h:443/a", "tcp://[::1]:8800", "unix:/a"])
def test_client_url_is_written_as_it_is_read(text: str) -> None:
    assert parse_url(text).url == text
    assert str(parse_url(text)) == text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is not a URL: write one of ws://HOST:PORT"),
        ("127.0.0.1:8800", "is not a URL"),
        ("localhost:8800", "is not a URL"),
        ("ws:h:1", "is not a URL"),
        ("htp://h:1", "did you mean http?"),
        ("ftp://h:1", "unknown scheme"),
        ("ws://", "names no host"),
        ("ws://:8800", "names no host"),
        ("ws://h:0", "port 0"),
        ("ws://h:65536", "'65536' is not a port number"),
        ("ws://h:x", "'x' is not a port number"),
        ("ws://h:٣", "'٣' is not a port number"),
        ("ws://::1:8800", "in brackets, [::1:8800]:PORT"),
        ("ws://[::1", "bad IPv6 address"),
        ("ws://[h]:1", "bad IPv6 address"),
        ("ws://[127.0.0.1]:1", "bad IPv6 address"),
        ("ws://[::1]8800", "bad IPv6 address"),
        ("ws://u:p@h:1", "carries a user or password"),
        ("ws://h:1/?token=x", "carries a query or fragment"),
        ("ws://h:1#x", "carries a query or fragment"),
        ("ws://h_-!:1", "neither a host name nor an IP address"),
        ("tcp://h:1/path", "has a path"),
        ("unix:", "names no socket"),
        ("unix://", "names no socket"),
        ("unix://host/a", "names a host"),
        ("unix:/" + "x" * 107, "too long"),
        ("ws://h:1\n", "blanks or control characters"),
        ("ws://a b:1", "blanks or control characters"),
        ("ws://\x1b[2J:1", "blanks or control characters"),
    ],
)
def test_bad_client_url_is_refused_with_a_reason(text: str, part: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_url(text)
    assert part in refused.value.message
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ws://127.0.0.1:0", ListenAddress("tcp", "127.0.0.1", 0, scheme="ws")),
        ("tcp://[::]:9", ListenAddress("tcp", "::", 9, scheme="tcp")),
        ("ws://localhost", ListenAddress("tcp", "localhost", 8800, scheme="ws")),
        ("ws://h:1/", ListenAddress("tcp", "h", 1, scheme="ws")),
        ("unix:/a", ListenAddress("unix", path="/a", scheme="unix")),
        ("unix:", ListenAddress("unix", scheme="unix")),
    ],
)
def test_listen_url_is_read(text: str, address: ListenAddress) -> None:
    assert parse_listen(text) == address


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("http://127.0.0.1:1", "unknown scheme"),
        ("8800", "is not a URL: write one of ws://HOST:PORT, tcp://HOST:PORT, wss://HOST:PORT"),
        ("ws://h:1/askr", "has a path"),
        ("ws://:1", "names no host"),
    ],
)
def test_bad_listen_url_is_refused_with_a_reason(text: str, part: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_listen(text)
    assert part in refused.value.message


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        ("ws://127.0.0.1:1", True),
        ("ws://127.8.9.1:1", True),
        ("ws://[::1]:1", True),
        ("ws://[::ffff:127.0.0.1]:1", True),
        ("ws://localhost:1", True),
        ("unix:/a", True),
        ("ws://0.0.0.0:1", False),
        ("ws://[::]:1", False),
        ("ws://192.168.1.2:1", False),
        ("ws://localhost.example:1", False),
        ("ws://127.1:1", False),
    ],
)
def test_only_loopback_and_unix_are_local(text: str, is_local: bool) -> None:
    assert parse_listen(text).is_local is is_local


def test_chosen_port_is_put_into_the_address() -> None:
    assert parse_listen("tcp://[::1]:0").at_port(41).url == "tcp://[::1]:41"


def test_tls_is_known_by_the_scheme() -> None:
    assert [parse_url(f"{s}://h").is_tls for s in ("ws", "wss", "https", "askrs", "tcp")] == [
        False,
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"RUNTIME_DIRECTORY": "/run/askr", "XDG_RUNTIME_DIR": "/x"}, "/run/askr/askrd.sock"),
        ({"RUNTIME_DIRECTORY": "/run/askr:/run/b"}, "/run/askr/askrd.sock"),
        ({"RUNTIME_DIRECTORY": "", "XDG_RUNTIME_DIR": "/x/"}, "/x/askr/askrd.sock"),
        ({"XDG_RUNTIME_DIR": ""}, "/t/askr-7/askrd.sock"),
        ({}, "/t/askr-7/askrd.sock"),
    ],
)
def test_default_socket_is_found_by_rule(environ: dict[str, str], path: str) -> None:
    assert runtime_socket(environ, 7, "/t/") == path


def test_temp_directory_is_tmpdir_or_tmp() -> None:
    assert temp_directory({"TMPDIR": "/a"}) == "/a"
    assert temp_directory({}) == "/tmp"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("node-askr://127.0.0.1:8801", ("127.0.0.1", 8801)),
        ("NODE-ASKR://box/", ("box", 8800)),
        ("node-askr://[::1]:9", ("::1", 9)),
    ],
)
def test_node_askr_services_have_urls_of_their_own(text: str, place: tuple[str, int]) -> None:
    assert parse_node_askr(text) == place


@pytest.mark.parametrize(
    "text",
    ["ws://h:1", "node-askr:h", "node-askr://", "node-askr://h:0", "node-askr://h/x", "h:8801"],
)
def test_what_is_no_url_of_a_node_askr_service_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_node_askr(text)
