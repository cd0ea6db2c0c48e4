"""The seam of the fabric: what the relay needs from whatever joins this daemon with others.

It promises what a cluster can keep, and no more, so that nothing above it has to change when there
is one: a decision comes later, never at once; what was proposed is decided in its order; what was
told or sent to others may not arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from askrd.core.effects import Durable
from askrd.store.store import Kept
from askrd.wire.bodies import Json
from askrd.wire.codec import Raw


@dataclass(frozen=True, slots=True)
class Fact:
    """Who came, changed or went at this daemon.

    Attributes:
        workspace: where.
        what: `peer` or `service`.
        op: `joined`, `changed` or `left`.
        row: as `$askr.peers` or `$askr.services` would show it to a service.
    """

    workspace: str
    what: str
    op: str
    row: Json


class Fabric(Protocol):
    """Decides what is kept, and carries what concerns the daemons of a workspace between them.

    Nothing here waits. One conformance suite runs against every implementation.
    """

    @property
    def links(self) -> Sequence[str]:
        """The ids of the other daemons that can be reached now.

        While there are none, nobody needs `announce` or `interest`: facts that are not made cost
        nothing.
        """

    def recall(self) -> Kept:
        """Returns what was decided before; called once, before anything is proposed.

        Raises:
            CannotStore: it cannot be read.
        """

    def propose(self, changes: Sequence[Durable]) -> None:
        """Asks that changes be kept, in ticket order, and returns at once.

        What is decided is told to `Decisions`: every ticket once, in order, the changes of one
        proposal together or one after the other. After a crash there is what was decided, and
        perhaps the first of what was not; never a later change without an earlier one.

        Raises:
            RuntimeError: the fabric is closed.
        """

    def announce(self, facts: Sequence[Fact]) -> None:
        """Tells the other daemons who is here, and returns at once; it may not reach them."""

    def interest(self, workspace: str, added: Sequence[str], removed: Sequence[str]) -> None:
        """Tells the other daemons which patterns of events are listened to here, from now on."""

    def send(self, link: str, frames: Sequence[Raw]) -> bool:
        """Hands whole frames to a link, and returns at once.

        Args:
            link: one of `links`.
            frames: stay in order on their link.

        Returns:
            Whether the link was there; True does not promise that they arrive.
        """

    def close(self) -> None:
        """Has what was proposed decided, and lets go of everything."""


class Decisions(Protocol):
    """What a fabric tells the relay; called on the thread that runs the loop, never in a call."""

    def decided(self, ticket: int) -> None:
        """Every change up to ``ticket`` is kept."""

    def rejected(self, reason: str) -> None:
        """No change that waits is kept, none of those proposed before this is called."""

    def broke(self, fault: BaseException) -> None:
        """The fabric itself failed and decides nothing any more: a defect, not a disk."""


MakeFabric = Callable[[Decisions], Fabric]
