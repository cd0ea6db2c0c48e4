"""Plays random worlds: whatever chance brings, no rule of the protocol breaks."""

import pytest

from tests.simulation.scenario import Scenario
from tests.simulation.world import World

pytestmark = pytest.mark.simulation
REPRODUCE = "pytest tests/simulation/test_random_worlds.py --world {seed}"


def play(seed: int, *, is_fast: bool = True, cuts: int | None = None) -> World:
    """Plays the world of a seed; a failure says how to see it again."""
    try:
        return Scenario(seed, is_fast=is_fast, cuts=cuts).play()
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


test_the_fast_path_and_the_rules_say_the_same.share_of_worlds = 2  # type: ignore[attr-defined]
test_it_does_not_matter_how_bytes_are_cut.share_of_worlds = 5  # type: ignore[attr-defined]


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert play(7).digest == play(7).digest
    assert play(7).digest != play(8).digest


def test_the_worlds_together_see_everything_happen() -> None:
    """Checks that never have anything to check would hold for any router."""
    worlds = [play(seed) for seed in range(25)]
    codes = {code for world in worlds for code in world.book.closed.values()}
    outcomes = {outcome for world in worlds for outcome in world.book.outcomes}
    assert {1000, 4001, 4002, 4003, 4500, 4505} <= codes
    assert {"REPLY", "cancelled", "deadline_exceeded", "instance_lost", "no_instance"} <= outcomes
    assert {"conflict", "storage_unavailable", "payload_too_large", "busy"} <= outcomes
    assert sum(world.router.board.totals.dropped for world in worlds) > 0
