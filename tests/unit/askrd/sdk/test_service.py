"""A service registers commands, refuses what it cannot keep, and says what it offers."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from askrd.sdk.service import Service
from askrd.sdk.terms import ServiceTerms
from askrd.sdk.upload import Upload
from askrd.wire.bodies import EventSpec
from askrd.wire.errors import BadRequest


def crawl(url: str) -> int:
    """Fetches a page and
    counts its links.

    More about it.
    """
    return len(url)


def test_command_is_registered_under_its_own_name() -> None:
    service = Service("agent")
    assert service.command(crawl) is crawl
    command = service.commands["crawl"]
    assert (command.doc, command.timeout_ms, command.terms.idempotent) == (
        "Fetches a page and\ncounts its links.\n\nMore about it.", 0, False,
    )  # fmt: skip


def test_command_is_registered_under_a_given_name_with_options() -> None:
    service = Service("agent")
    assert service.command("web.crawl", timeout=1.5, idempotent=True, doc="Crawls.")(crawl) is crawl
    spec = service.commands["web.crawl"].spec()
    assert (spec.name, spec.doc, spec.timeout_ms, spec.idempotent) == (
        "web.crawl", "Crawls.", 1500, True,
    )  # fmt: skip
    assert spec.request["required"] == ["url"]
    assert spec.response == {"type": "integer"}


def test_same_command_twice_is_refused_naming_both() -> None:
    service = Service("agent")
    service.command(crawl)

    def other() -> None: ...

    with pytest.raises(BadRequest) as caught:
        service.command("crawl")(other)
    assert "agent.crawl is registered twice" in caught.value.message
    assert "test_service.crawl" in caught.value.message
    assert "other" in caught.value.message


async def tail(path: str) -> AsyncIterator[str]:
    yield path


async def put(name: str, content: Upload) -> int:
    return len(name)


def test_command_says_all_that_is_laid_down_about_it() -> None:
    service = Service("agent")
    service.command(
        mode="broadcast", policy="least", concurrency=8, waiting=5, serial="url", internal=True,
        allow_from=["web"], reply="ack",
    )(crawl)  # fmt: skip
    spec = service.commands["crawl"].spec()
    assert (
        spec.mode, spec.policy, spec.concurrency, spec.waiting_max, spec.serial, spec.internal,
        spec.allow_from, spec.reply, spec.response, spec.upload,
    ) == ("broadcast", "least", 8, 5, "url", True, ["web"], "ack", None, False)  # fmt: skip


def test_command_says_only_what_differs() -> None:
    service = Service("agent")
    service.command(crawl)
    assert set(msgspec.to_builtins(service.commands["crawl"].spec())) == {
        "name", "doc", "request", "response",
    }  # fmt: skip


def test_generator_is_a_stream_by_itself() -> None:
    service = Service("agent")
    service.command(tail)
    spec = service.commands["tail"].spec()
    assert (spec.reply, spec.response) == ("stream", {"type": "string"})
    assert not service.commands["tail"].is_plain


def test_parameter_annotated_upload_makes_a_command_take_one() -> None:
    service = Service("agent")
    service.command(put)
    spec = service.commands["put"].spec()
    assert (spec.upload, list(spec.request["properties"])) == (True, ["name"])


@pytest.mark.parametrize(
    ("function", "options", "why"),
    [
        (crawl, {"reply": "stream"}, "reply='stream' is for a generator"),
        (tail, {"reply": "ack"}, "but a generator is a stream"),
        (tail, {"reply": "value"}, "a caller may still ask it for a value"),
        (put, {"reply": "ack"}, "'content' would get no upload"),
        (put, {"serial": "content"}, "name of a parameter that comes from the payload.*: name"),
        (crawl, {"serial": "link"}, "there are: url"),
        (crawl, {"serial": 1}, "serial=1 is True or the name"),
    ],
)
def test_option_that_does_not_go_with_the_handler_is_refused(function, options, why) -> None:
    service = Service("agent")
    with pytest.raises(BadRequest, match=why):
        service.command(**options)(function)
    assert service.commands == {}


@pytest.mark.parametrize("option", [{"replaces": "x"}])
def test_option_of_a_later_version_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"not built yet"):
        Service("agent").command("x", **option)


def test_unknown_option_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'timeuot'"):
        Service("agent").command("x", timeuot=1)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 10**9])
def test_impossible_timeout_is_refused(timeout: float) -> None:
    with pytest.raises(BadRequest, match="above 0"):
        Service("agent").command("x", timeout=timeout)


@pytest.mark.parametrize("name", ["", "a b", "a..b", "a@b", "x" * 201])
def test_name_that_breaks_the_grammar_is_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        Service("agent").command(name or " ")(crawl)
    with pytest.raises(BadRequest):
        Service(name)


def test_provision_says_everything() -> None:
    service = Service("agent", version="1.2.0", doc="Fetches.", tags={"zone": "eu"})
    service.command(crawl)
    service.emits("FETCHED_TIME", int, doc="each second")
    service.emits("RAW")
    service.hears("news.*", None, "")
    said = service.provision()
    assert (said.service, said.version, said.doc, said.tags) == (
        "agent", "1.2.0", "Fetches.", {"zone": "eu"},
    )  # fmt: skip
    assert [command.name for command in said.commands] == ["crawl"]
    assert said.emits == [
        EventSpec(event="FETCHED_TIME", doc="each second", schema={"type": "integer"}),
        EventSpec(event="RAW"),
    ]
    assert said.listens == [EventSpec(event="news.*")]


def test_provision_says_what_is_laid_down_about_the_service() -> None:
    terms = ServiceTerms(
        policy="weighted", concurrency=4, weight=3, allow_from=["web"], connect_to=["store"]
    )
    said = Service("agent", terms=terms).provision()
    assert (said.policy, said.concurrency, said.weight, said.allow_from, said.connect_to) == (
        "weighted", 4, 3, ["web"], ["store"],
    )  # fmt: skip


def test_event_is_published_once() -> None:
    service = Service("agent")
    service.emits("X", int)
    with pytest.raises(BadRequest, match="says twice"):
        service.emits("X", str)


def test_event_with_a_wildcard_is_refused() -> None:
    with pytest.raises(BadRequest, match="wildcards are for listening"):
        Service("agent").emits("FETCHED_*", int)


def test_a_queue_is_declared_with_what_was_said_about_it() -> None:
    service = Service("agent")

    @service.command(queue=True, attempts=3, backoff=0.5, keep=60, concurrency=2)
    async def grind(number: int) -> int:
        return number

    @service.command(queue=True)
    async def plain() -> None: ...

    @service.command
    async def ask() -> None: ...

    grind_, plain_, ask_ = (command.spec() for command in service.commands.values())
    assert (grind_.queue, grind_.attempts, grind_.backoff_ms, grind_.keep_ms) == (
        True, 3, 500, 60_000,
    )  # fmt: skip
    assert (plain_.queue, plain_.attempts, plain_.backoff_ms) == (True, 5, 1000)
    assert not ask_.queue


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"attempts": 3}, "say queue=True"),
        ({"backoff": 1}, "say queue=True"),
        ({"keep": 1}, "say queue=True"),
        ({"queue": True, "attempts": True}, "at least 1"),
        ({"queue": True, "attempts": -1}, "at least 1"),
        ({"queue": True, "backoff": -1}, "0 to 49 days"),
        ({"queue": True, "keep": 1e10}, "0 to 49 days"),
        ({"queue": True, "reply": "ack"}, "id of a job"),
    ],
)
def test_a_queue_that_cannot_be_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        Service("agent").command(**options)


def test_a_queue_neither_streams_nor_takes_an_upload() -> None:
    async def stream():
        yield 1

    async def takes(data: Upload) -> None: ...

    for function, why in ((stream, "it yields"), (takes, "takes an upload")):
        with pytest.raises(BadRequest, match=why):
            Service("agent").command(queue=True)(function)
