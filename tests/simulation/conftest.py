"""The small world as a fixture."""

from collections.abc import Iterator

import pytest

from tests.simulation.bounds import small_bounds
from tests.simulation.small import Small


@pytest.fixture
def small() -> Iterator[Small]:
    with small_bounds():
        yield Small()
