"""The small world as a fixture."""

from collections.abc import Iterator

import pytest

from tests.simulation.small import Small
from tests.simulation.world import small_bounds


@pytest.fixture
def small() -> Iterator[Small]:
    with small_bounds():
        yield Small()
