"""Holds the delays between attempts to come back."""

import random
from itertools import islice

from askrd.sdk.reconnect import delays


class Most:
    """Chance that always gives the largest number."""

    def uniform(self, a: float, b: float, /) -> float:
        return b


def test_the_ceiling_doubles_up_to_ten_seconds() -> None:
    assert list(islice(delays(Most()), 9)) == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0]


def test_every_delay_lies_between_a_tenth_and_ten_seconds() -> None:
    found = list(islice(delays(random.Random(7)), 2_000))

    assert min(found) >= 0.1
    assert max(found) <= 10.0
    assert len(set(found)) > 1_900
