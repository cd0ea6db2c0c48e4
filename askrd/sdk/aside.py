"""The seam between events and the ways beside the connection; those are loaded when there is one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from askrd.wire.addresses import DaemonAddress
from askrd.wire.bodies import Channel

if TYPE_CHECKING:
    from askrd.sdk.events import Events


class Aside(Protocol):
    """The ways beside one connection."""

    def take(self, subject: str, frame: bytes, /) -> bool:
        """Sends a plain event another way, where one is preferred; says whether it did."""
        ...

    def end(self) -> None:
        """Lets every way go."""
        ...


def open_aside(
    events: "Events", channels: Sequence[Channel], address: DaemonAddress, peer_host: str
) -> None:
    """Has events take the ways that the daemon of a new connection prefers, as far as they are there.

    Args:
        events: whose.
        channels: of the welcome.
        address: where the connection leads.
        peer_host: the IP address at its other end; empty for none.
    """
    close_aside(events)
    if channels:
        from askrd.sdk.channels import Channels

        ways = Channels(channels, address, peer_host)
        events.aside = ways if ways.is_any else None


def close_aside(events: "Events") -> None:
    """Has every event take the connection."""
    aside, events.aside = events.aside, None
    if aside is not None:
        aside.end()
