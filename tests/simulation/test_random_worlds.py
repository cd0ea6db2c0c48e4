"""Plays random worlds: whatever chance brings, no rule of the protocol breaks."""

from collections import Counter
from typing import Any

import pytest

from tests.simulation.scenario import Scenario
from tests.simulation.world import World

pytestmark = pytest.mark.simulation
REPRODUCE = "pytest tests/simulation/test_random_worlds.py --world {seed}"


def play(seed: int, **fields: Any) -> World:
    """Plays the world of a seed; a failure says how to see it again."""
    try:
        return Scenario(seed, **fields).play()
    except BaseException as error:
        error.add_note(f"to see it again: {REPRODUCE.format(seed=seed)}")
        raise


def test_every_world_keeps_the_rules(seed: int) -> None:
    world = play(seed)
    assert world.connections


def test_the_fast_path_and_the_rules_say_the_same(seed: int) -> None:
    fast, slow = play(seed), play(seed, is_fast=False)
    assert fast.digest == slow.digest
    assert fast.router.board.totals.as_json() == slow.router.board.totals.as_json()


def test_it_does_not_matter_how_bytes_are_cut(seed: int) -> None:
    whole = play(seed, cuts=0)
    cut, cut_and_slow = play(seed, cuts=1), play(seed, cuts=2, is_fast=False)
    assert whole.digest == cut.digest == cut_and_slow.digest


def test_asking_why_changes_nothing(seed: int) -> None:
    assert play(seed, is_curious=True).digest == play(seed).digest


test_the_fast_path_and_the_rules_say_the_same.share_of_worlds = 3  # type: ignore[attr-defined]
test_it_does_not_matter_how_bytes_are_cut.share_of_worlds = 6  # type: ignore[attr-defined]
test_asking_why_changes_nothing.share_of_worlds = 6  # type: ignore[attr-defined]


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert play(7).digest == play(7).digest
    assert play(7).digest != play(8).digest


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    """Some worlds together: checks that never have anything to check would hold for any router."""
    return [play(seed) for seed in range(40)]


def test_the_worlds_together_see_everything_happen(worlds: list[World]) -> None:
    codes = {code for world in worlds for code in world.book.closed.values()}
    outcomes = sum((world.book.outcomes for world in worlds), Counter[str]())
    assert {1000, 4001, 4002, 4003, 4500, 4505} <= codes
    assert outcomes.keys() >= {
        "REPLY", "cancelled", "deadline_exceeded", "instance_lost", "no_instance", "conflict",
        "storage_unavailable", "payload_too_large", "busy", "forbidden", "draining", "limit_exceeded",
        "handler_error", "mode none", "mode ack", "mode value", "mode stream", "row", "summary", "item",
        "uploaded", "upload whole", "kept", "looked back", "resumed", "not resumed",
        "answer", "collected", "kept event", "gap of what was", "gone",
        "ACK", "NAK", "log read to its end",
    }  # fmt: skip
    assert sum(world.router.board.totals.dropped for world in worlds) > 0
    assert sum(len(world.book.grouped) for world in worlds) > 200
    assert outcomes["dead letter"] > 0


def test_the_worlds_together_see_every_rule_of_commands(worlds: list[World]) -> None:
    books = [world.book for world in worlds]
    assert sum(book.judged for book in books) > 200, "why was compared with what happened"
    assert any(book.failed_later for book in books), "accepted commands failed"
    assert any(book.spoiled for book in books), "somebody sent more than the other took"
    assert any(note.event == "instance rests" for world in worlds for note in world.notes)
    assert any(note.event == "rotation" for world in worlds for note in world.notes)
    asked = [asked for book in books for asked in book.asked.values()]
    assert any(len(each.chosen) > 1 and not each.is_survey for each in asked), "one went again"
    assert any(each.is_survey and len(each.chosen) > 2 for each in asked)
    assert any(each.is_survey and each.options.get("quorum") and each.rows for each in asked)
    assert any(each.options.get("wait_ms") and each.chosen for each in asked), "somebody came"
    assert any(each.options.get("exclude") and each.chosen for each in asked)
    assert any(each.options.get("version") and each.chosen for each in asked)
