"""What the HTTP door knows of the daemon beside the session it serves."""

from __future__ import annotations

from dataclasses import dataclass

from askrd.core.switchboard import Switchboard
from askrd.wire.limits import Limits


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One daemon, as the HTTP door sees it.

    Attributes:
        board: the core's tables; only read.
        limits: the daemon's.
        allow_origins: web origins whose pages may use the daemon.
        may_compress: whether connections are compressed whose peer asks for it.
    """

    board: Switchboard
    limits: Limits
    allow_origins: tuple[str, ...] = ()
    may_compress: bool = True
