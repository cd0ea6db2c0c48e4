"""Commands as their callers know them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from askrd.wire.bodies import ErrorBody, load
from askrd.wire.frames import Frame, Kind
from tests.simulation.flows import Intake, Outflow
from tests.simulation.offers import SPECS, is_survey

if TYPE_CHECKING:
    from askrd.core.services import Instance


@dataclass(eq=False)
class Asked:
    """One command as its caller knows it.

    Attributes:
        rows: of a survey, by who answered.
        down, up: its streams; ``up`` is None when nothing is uploaded.
        chosen: instances the daemon gave it to. members: whom a survey had to ask.
        is_cancelled: whether the daemon has read that it is. may_be_cancelled: whether it was said.
        end: the outcome.
        run: what commands under one idempotency key have in common.
        has_used_id: an earlier command that is over had its id.
        is_ambiguous: another command was asked under its id, so that some news may be of either.
    """

    token: str
    address: str
    options: dict[str, Any]
    is_silent: bool = False
    rows: dict[bytes, Frame] = field(default_factory=dict)
    down: Intake = field(default_factory=Intake)
    up: Outflow | None = None
    chosen: list[Instance] = field(default_factory=list)
    members: set[bytes] | None = None
    is_cancelled: bool = False
    may_be_cancelled: bool = False
    end: Frame | None = None
    run: tuple[str, str, str] | None = None
    is_ambiguous: bool = False
    has_used_id: bool = False

    @property
    def is_survey(self) -> bool:
        """Whether several are asked."""
        return is_survey(self.address, self.options)

    @property
    def command(self) -> str:
        """The address's command, or something that is none."""
        names = (name for name in SPECS if f".{self.address}".endswith(f".{name}"))
        return next(names, self.address)

    @property
    def code(self) -> str:
        """The outcome's error code; empty = none."""
        is_fail = self.end is not None and self.end.kind != Kind.REPLY
        return load(ErrorBody, self.end.payload, "fail").code if self.end and is_fail else ""


@dataclass(eq=False)
class Why:
    """A question who would get a command, asked right before the command.

    Attributes:
        input: number of the input that brought the question; the command came with it when ``taken``
            is not None: who got the command then.
    """

    asked: Asked
    input: int = 0
    taken: list[bytes] | None = None
    reply: Any = None
