"""Building and asking the live names."""

from askr_cli.shell.live_names import live_names
from tests.unit.askr_cli.shell.canned import names


def test_commands_come_from_rows_and_their_schemas_from_descriptions() -> None:
    found = names()
    assert list(found.commands) == [
        "agent.fetch",
        "agent.crawl",
        "cache.fetch",
        "cache.cache.clear",
    ]
    assert found.commands["agent.fetch"].doc == "Tells the time."
    assert found.instances == {"agent": ("k3Tz9a", "p01x7d"), "cache": ("aaaaaa",)}
    assert dict(found.events) == {"FETCHED_TIME": "emitted by agent", "orders.*": "agent listens"}


def test_a_bare_name_is_found_when_it_is_clear() -> None:
    found = names()
    assert found.find("fetch") is None
    for target in ("crawl", "agent.crawl", "agent@k3Tz9a.crawl", "agent@{zone=eu}.crawl", ".crawl"):
        command = found.find(target)
        assert command is not None, target
        assert command.address == "agent.crawl"
    assert found.find("nope") is None


def test_targets_offer_bare_names_only_where_they_are_clear() -> None:
    targets = names().targets()
    assert "crawl" in targets
    assert "fetch" not in targets
    assert {"agent.fetch", "cache.fetch", "$askr.stats"} <= set(targets)


def test_rows_of_any_shape_are_taken_as_far_as_they_go() -> None:
    found = live_names(
        [{"service": "x", "commands": 3, "emits": [4, {"event": "E"}], "listens": None}, {}],
        {"x": {"commands": [{"doc": 1}, {"name": "a", "doc": 7, "request": []}]}},
    )
    assert list(found.commands) == ["x.a"]
    assert list(found.events) == ["E"]
