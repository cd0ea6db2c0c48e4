"""What the core wants done outside: the only things it says besides bytes in outboxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

from askrd.core.state import Entry

if TYPE_CHECKING:
    from askrd.core.session import Session
    from askrd.wire.codec import Raw


@dataclass(frozen=True, slots=True)
class Close:
    """Flush what waits for ``session`` and close its connection.

    Attributes:
        session: whose connection.
        close_code: the WebSocket close code that says why (docs/PROTOCOL.md §11).
        reason: a few words for people.
    """

    session: Session
    close_code: int
    reason: str


class Persist(Struct, frozen=True, gc=False, array_like=True, tag="state"):
    """Make one state change durable, then call ``Router.committed`` with its ticket.

    Attributes:
        ticket: increasing number of the change.
        workspace: where it belongs.
        key: the entry's key.
        entry: the new entry, or None when it is deleted.
        rev: the workspace's revision with this change.
    """

    ticket: int
    workspace: str
    key: str
    entry: Entry | None
    rev: int


class Record(Struct, frozen=True, gc=False, array_like=True, tag="record"):
    """Keep one row beside the state, or forget it, then call ``Router.committed`` with its ticket.

    Attributes:
        ticket: increasing number, in one row with those of `Persist`.
        workspace: where it belongs.
        shelf: what kind of row it is; see `askrd.core.recovery`.
        key: its name there.
        value: opaque to the store; None = forget it.
    """

    ticket: int
    workspace: str
    shelf: str
    key: str
    value: bytes | None


Durable = Persist | Record
"""What a store keeps, in the order of its tickets."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something an operator may want to read in the log.

    Attributes:
        event: what happened, words first.
        fields: facts, printed as ``key=value``.
    """

    event: str
    fields: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rebind:
    """Have the connection of one session carry another one from now on.

    Write ``first`` on it, then what waits for ``session``. The connection ``session`` had before,
    if it is still there, is cut.

    Attributes:
        link: whose connection; this session is over.
        session: what the connection carries now.
        first: whole frames, counted before or not to be counted.
    """

    link: Session
    session: Session
    first: tuple[Raw, ...]


@dataclass(frozen=True, slots=True)
class Say:
    """Write a frame that belongs to the connection and is not counted.

    Attributes:
        session: on whose connection; without one nothing is written.
        frame: a whole frame.
    """

    session: Session
    frame: bytes


@dataclass(frozen=True, slots=True)
class Attachment:
    """A node-askr service that the daemon dials, because it cannot dial in.

    Attributes:
        workspace: where it is a service.
        service: the name it has there.
        host, port: where it listens.
        commands: what it takes; empty = it was not said.
        events: what it emits; empty = it was not said.
    """

    workspace: str
    service: str
    host: str
    port: int
    commands: tuple[str, ...] = ()
    events: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Where it listens, as ``HOST:PORT``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to a service from now on, again and again."""

    attachment: Attachment


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection to a service, and connect to it no more."""

    attachment: Attachment


Effect = Close | Durable | Note | Rebind | Say | Dial | HangUp
