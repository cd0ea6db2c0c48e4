"""Reading requests: both readers say the same of what both can read, and refuse what is unclear."""

import pytest

from askrd.doors.http.bodies import BodyIntake
from askrd.doors.http.bodiless import BodilessIntake
from askrd.doors.http.intake import (
    Intake,
    Unreadable,
    check_head,
    end_of_head,
    is_websocket,
)
from askrd.doors.http.readers import new_intake

GET = b"GET /a?b=c HTTP/1.1\r\nHost: here\r\nAccept: x\r\nAccept: y\r\n\r\n"


@pytest.fixture(params=[BodyIntake, BodilessIntake])
def intake(request: pytest.FixtureRequest) -> Intake:
    made: Intake = request.param()
    return made


def test_a_head_is_read(intake: Intake) -> None:
    head = intake.read_head(GET)
    assert (head.method, head.target, head.version) == ("GET", "/a?b=c", "1.1")
    assert head.headers == {"host": "here", "accept": "x, y"}
    assert intake.is_whole


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [("1.1", "", True), ("1.1", "close", False), ("1.0", "", False), ("1.0", "Keep-Alive", True)],
)
def test_who_keeps_the_connection(
    intake: Intake, version: str, connection: str, keeps: bool
) -> None:
    raw = f"GET / HTTP/{version}\r\nHost: a\r\nConnection: {connection}\r\n\r\n".encode()
    assert intake.read_head(raw).keeps_alive is keeps


@pytest.mark.parametrize(
    "raw",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/9\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET \xff HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(intake: Intake, raw: bytes) -> None:
    with pytest.raises(Unreadable):
        intake.read_head(raw)


def test_what_is_wrong_is_said_without_words_of_python() -> None:
    with pytest.raises(Unreadable) as caught:
        BodyIntake().read_head(b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n")
    assert caught.value.sentence == (
        "this is no HTTP request: illegal request line: 'GET /a b HTTP/1.1'"
    )


def test_a_body_in_chunks_is_joined_and_what_follows_is_kept() -> None:
    intake = BodyIntake()
    intake.read_head(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    body = b"".join(
        intake.read_body(bytes((byte,))) for byte in b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: u\r\n\r\n"
    )
    assert (body, intake.is_whole) == (b"abcde", True)


def test_the_next_request_is_not_the_bodys() -> None:
    intake = BodyIntake()
    intake.read_head(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
    assert not intake.is_whole
    assert intake.read_body(b"abGET /") == b"ab"
    assert (intake.is_whole, intake.rest) == (True, b"GET /")


@pytest.mark.parametrize(
    "lines",
    [
        b"a: b\r\n c", b"a: b\r\n\tc", b"a: b\nc: d", b"a: b\rc: d", b"a: \0",
        b"Content-Length: 1\r\ncontent-length: 1", b"content-length: 1\r\nTRANSFER-ENCODING: chunked",
        b"content-length: 1, 1", b"content-length: -1", b"content-length: 1_0", b"content-length: \xb2",
        b"content-length:", b"\r\n".join([b"a: b"] * 101),
    ],
)  # fmt: skip
def test_a_head_that_two_readers_may_read_in_two_ways_is_refused(lines: bytes) -> None:
    with pytest.raises(Unreadable):
        check_head(b"POST / HTTP/1.1\r\n" + lines + b"\r\n\r\n")


def test_an_honest_head_passes() -> None:
    check_head(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10 \r\n\r\n")


def test_where_a_head_ends() -> None:
    assert end_of_head(GET + b"rest") == len(GET)
    assert end_of_head(GET[:-1]) == -1
    with pytest.raises(Unreadable) as refused:
        end_of_head(b"x" * 20_000)
    assert refused.value.status == 431


def test_a_websocket_is_seen_by_its_head_alone() -> None:
    start = b"GET / HTTP/1.1\r\nHost: a\r\n"
    assert is_websocket(start + b"upgrade:  WebSocket\r\n\r\n")
    assert not is_websocket(start + b"\r\nUpgrade: websocket\r\n\r\n")
    assert not is_websocket(b"POST / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")


def test_where_h11_is_installed_it_reads() -> None:
    assert isinstance(new_intake(), BodyIntake)
