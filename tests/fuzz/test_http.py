"""Whatever bytes come as HTTP: a request, or the one documented refusal."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from askrd.core.switchboard import Daemon, Switchboard
from askrd.doors.guest import Guest
from askrd.doors.http.bodies import BodyIntake
from askrd.doors.http.bodiless import BodilessIntake
from askrd.doors.http.intake import Head, Intake, Unreadable, check_head
from askrd.doors.http.request import Body, Request
from askrd.doors.http.surroundings import Surroundings
from askrd.doors.http.wishes import read_wishes
from askrd.wire.errors import BadRequest
from askrd.wire.limits import Limits

AROUND = Surroundings(Switchboard(Daemon("d", "e", "1", "", "askr"), Limits()), Limits())
LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"Host: a", b"Content-Length: 5", b"Content-Length: 0", b"Transfer-Encoding: chunked",
             b"Expect: 100-continue", b"Connection: close", b"Upgrade: websocket", b" folded"]
        ),
        st.binary(max_size=20),
    ),
    max_size=6,
)  # fmt: skip
FIRST = st.one_of(
    st.sampled_from(
        [b"GET / HTTP/1.1", b"POST /call/a HTTP/1.1", b"HEAD * HTTP/1.0", b"PUT / HTTP/1.1"]
    ),
    st.binary(max_size=30),
)
HEADER = st.sampled_from(
    ["askr-timeout", "askr-quorum", "askr-all", "askr-exclude", "askr-x", "traceparent"]
)


@pytest.mark.parametrize("reader", [BodyIntake, BodilessIntake])
@given(first=FIRST, lines=LINES, body=st.lists(st.binary(max_size=30), max_size=5))
def test_any_bytes_are_a_request_or_refused(
    reader: type[Intake], first: bytes, lines: list[bytes], body: list[bytes]
) -> None:
    raw = b"\r\n".join([first, *lines, b"", b""])
    intake = reader()
    with suppress(Unreadable):
        check_head(raw)
        intake.read_head(raw)
        for piece in body:
            if not intake.is_whole:
                intake.read_body(piece)


@given(target=st.text(st.characters(codec="latin-1"), max_size=40), headers=st.dictionaries(HEADER, st.text(st.characters(codec="latin-1"), max_size=10)))  # fmt: skip
def test_any_target_and_headers_are_read_or_refused(target: str, headers: dict[str, str]) -> None:
    async def read() -> None:
        head = Head("GET", target, "1.1", headers)
        with suppress(BadRequest):
            request = Request(head, Body(lambda: None), AROUND, no_guest, lambda work: work.close())
            assert request.segments
            read_wishes(request)

    asyncio.run(read())


def no_guest(_workspace: str) -> Guest:
    raise AssertionError("nobody is asked")
