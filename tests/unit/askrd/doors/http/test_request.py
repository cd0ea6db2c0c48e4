"""One request as its places see it, and its body as it comes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from askrd.core.switchboard import Daemon, Switchboard
from askrd.doors.guest import Guest
from askrd.doors.http import request as module
from askrd.doors.http.answer import Refused, refusal
from askrd.doors.http.intake import Head
from askrd.doors.http.request import Body, Request, read_duration_ms
from askrd.doors.http.surroundings import Surroundings
from askrd.doors.http.wishes import read_wishes
from askrd.wire.errors import BadRequest, PayloadTooLarge
from askrd.wire.limits import Limits

AROUND = Surroundings(Switchboard(Daemon("d", "e", "1", "", "askr"), Limits()), Limits())


def nobody(_workspace: str) -> Guest:
    raise AssertionError("nobody is asked")


def request(target: str, method: str = "GET", **headers: str) -> Request:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    body = Body(lambda: None)
    return Request(
        Head(method, target, "1.1", named), body, AROUND, nobody, lambda work: work.close()
    )


def run(scene: Callable[[], Awaitable[None]]) -> None:
    async def play() -> None:
        async with asyncio.timeout(10):
            await scene()

    asyncio.run(play())


def test_a_path_is_decoded_part_by_part() -> None:
    found = request("/state/a%2Fb/%C3%A4?x=1&y=%26&x=2")
    assert found.segments == ["state", "a/b", "ä"]
    assert found.rest == "a/b/ä"
    assert found.query == [("x", "1"), ("y", "&"), ("x", "2")]


@pytest.mark.parametrize(
    ("target", "prefix", "path"),
    [
        ("/askr/call/a", "/askr", "/call/a"), ("/call/a", "/askr", "/call/a"), ("/askr", "/askr", "/"),
        ("/askr/call/a", "/askr/", "/call/a"), ("/askrd/x", "/askr", "/askrd/x"), ("/a", "", "/a"),
        ("http://here:80/call/a", "", "/call/a"), ("http://here", "", "/"),
    ],
)  # fmt: skip
def test_a_prefix_is_taken_off_where_the_proxy_left_it(target: str, prefix: str, path: str) -> None:
    assert request(target, x_forwarded_prefix=prefix).path == path


@pytest.mark.parametrize("target", ["/%ff", "/a?b=%ff", "/a?" + "x&" * 2000])
def test_a_target_that_cannot_be_read_is_refused(target: str) -> None:
    with pytest.raises(BadRequest):
        request(target)


def test_head_is_served_as_get() -> None:
    found = request("/", method="HEAD")
    assert (found.method, found.is_head) == ("GET", True)


def test_what_a_client_accepts_is_asked_by_name() -> None:
    found = request("/", accept="text/html, Text/Event-Stream;q=0.9")
    assert found.accepts("text/event-stream")
    assert not found.accepts("application/json")
    assert not request("/", accept="*/*").accepts("text/event-stream")


@pytest.mark.parametrize(
    ("text", "ms"), [("500ms", 500), ("5", 5000), ("2m", 120_000), ("0.5s", 500)]
)
def test_a_duration_is_read(text: str, ms: int) -> None:
    assert read_duration_ms("ttl", text) == ms


@pytest.mark.parametrize("text", ["", "soon", "-1", "0", "9999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="ttl"):
        read_duration_ms("ttl", text)


def test_wishes_are_read_from_headers() -> None:
    wishes = read_wishes(
        request(
            "/", askr_timeout="1s", askr_reply="none", askr_all="true", askr_exclude="a, b",
            askr_version="^2", askr_wait="2s", askr_user="\xc3\xa4", askr_odd="\xe4",
        )
    )  # fmt: skip
    assert (wishes.ttl_ms, wishes.silent, wishes.is_survey) == (1000, True, True)
    options = wishes.options
    assert (options.exclude, options.version, options.wait_ms) == (["a", "b"], "^2", 2000)
    assert wishes.headers == {"user": "ä", "odd": "ä"}


def test_a_body_comes_piece_by_piece() -> None:
    async def scene() -> None:
        body = Body(lambda: None)
        reading = asyncio.ensure_future(body.whole(10))  # noqa: TID251
        for piece in (b"ab", b"", b"cd"):
            await asyncio.sleep(0)
            body.add(piece)
        body.end()
        assert await reading == b"abcd"

    run(scene)


def test_a_body_above_a_limit_is_refused_and_its_rest_is_kept() -> None:
    async def scene() -> None:
        body = Body(lambda: None)
        body.add(b"x" * 10)
        body.end()
        assert await body.beginning(4) == (b"xxxx", True)
        assert await body.piece() == b"x" * 6
        assert await body.piece() == b""
        other = Body(lambda: None)
        other.add(b"x" * 10)
        with pytest.raises(PayloadTooLarge):
            await other.whole(9)

    run(scene)


def test_a_heavy_body_asks_for_room_again() -> None:
    async def scene() -> None:
        eased: list[bool] = []
        body = Body(lambda: eased.append(True))
        body.add(bytes(module.BODY_HIGH_BYTES + 1))
        assert body.is_heavy
        await body.piece()
        assert eased == [True]
        assert not body.is_heavy

    run(scene)


def test_a_body_that_breaks_off_says_so_to_its_reader() -> None:
    async def scene() -> None:
        body = Body(lambda: None)
        body.add(b"x")
        body.spoil(Refused(refusal(400, "bad_request", "no")))
        assert await body.piece() == b"x"
        with pytest.raises(Refused):
            await body.piece()

    run(scene)
