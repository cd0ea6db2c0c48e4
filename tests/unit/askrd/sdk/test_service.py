"""A service registers commands, refuses what it cannot keep, and says what it offers."""

from typing import Any

import pytest

from askrd.sdk.service import Service
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
    assert (command.doc, command.timeout_ms, command.idempotent) == (
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


@pytest.mark.parametrize(
    "later",
    [
        {"reply": "stream"},
        {"mode": "broadcast"},
        {"concurrency": 8},
        {"serial": True},
        {"policy": "least"},
        {"internal": True},
        {"queue": True},
        {"allow_from": ["web"]},
    ],
)
def test_option_of_a_later_version_is_refused(later: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"not built yet.*Built are timeout, idempotent and doc"):
        Service("agent").command("x", **later)


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


def test_event_is_published_once() -> None:
    service = Service("agent")
    service.emits("X", int)
    with pytest.raises(BadRequest, match="says twice"):
        service.emits("X", str)


def test_event_with_a_wildcard_is_refused() -> None:
    with pytest.raises(BadRequest, match="wildcards are for listening"):
        Service("agent").emits("FETCHED_*", int)
