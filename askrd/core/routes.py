"""Routes: for one address, who may get its commands, and whose turn it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askrd.core.choice import POLICIES, ROUND_ROBIN, Policy
from askrd.core.eligibility import barred, busy
from askrd.core.services import Instance
from askrd.core.statistics import CommandStatistics
from askrd.wire.bodies import CallOptions, CommandSpec
from askrd.wire.errors import Forbidden, NoInstance, PayloadTooLarge
from askrd.wire.limits import ASKED_MAX
from askrd.wire.names import Address

if TYPE_CHECKING:
    from askrd.core.session import Session


class Route:
    """A routing decision for one address: who may get the command, in turn.

    Attributes:
        address: what to ask again for when the registry has changed: as the caller wrote it when that
            chooses among instances, else canonical.
        name: the canonical address `service.command` the instance sees.
        command: its second part.
        is_renamed: whether the address differs from it.
        is_idempotent: whether its commands are given to another instance when one is lost.
        is_plain: whether every caller may ask, the members take turns, and nothing but a value is
            answered: what the router's hot path knows.
        policy: how the member is chosen.
        members: instances that offer the command, are in rotation, and are meant by the address.
        spec: what the member that joined last says about the command.
        timeout_ms: the deadline when the caller names none.
        waiting_max: commands that may wait when all members are saturated.
        statistics: the command's counters.
    """

    __slots__ = (
        "_choose", "address", "command", "is_idempotent", "is_plain", "is_renamed", "members", "name", "policy",
        "service", "spec", "statistics", "timeout_ms", "waiting_max",
    )  # fmt: skip

    def __init__(
        self,
        address: Address,
        text: str,
        members: list[Instance],
        default_timeout_ms: int,
        statistics: CommandStatistics,
    ) -> None:
        service = members[0].service
        canonical = f"{service.name}.{address.command}"
        specs = [member.commands[address.command] for member in members]
        self.command = address.command
        self.name = canonical.encode()
        self.service = service
        self.members = members
        self.spec = specs[-1]
        self.address = text.encode() if "@" in text else self.name
        self.is_renamed = canonical != text
        self.timeout_ms = next((s.timeout_ms for s in specs if s.timeout_ms), default_timeout_ms)
        self.waiting_max = min(spec.waiting_max for spec in specs)
        self.statistics = statistics
        self.policy = policy_of(members[-1], self.spec)
        self._choose: Policy = POLICIES[self.policy]
        self.is_idempotent = self.spec.idempotent
        self.is_plain = self.policy == ROUND_ROBIN and all(map(_is_plain, members, specs))

    def turn(self) -> Instance | None:
        """Returns the member of a plain route whose turn it is; None when none can take a command."""
        members = self.members
        cursor = self.service.cursor
        member = members[cursor % len(members)]
        session = member.session
        if session.is_ready and len(session.asked) < ASKED_MAX:
            self.service.cursor = cursor + 1
            return member
        return self._other(cursor)

    def _other(self, cursor: int) -> Instance | None:
        count = len(self.members)
        for step in range(1, count):
            member = self.members[(cursor + step) % count]
            session = member.session
            if session.is_ready and len(session.asked) < ASKED_MAX:
                self.service.cursor = cursor + step + 1
                return member
        return None

    def choose(
        self, caller: Session, options: CallOptions, without: tuple[Instance, ...] = ()
    ) -> Instance | None:
        """Returns the member that gets a command of ``caller`` by the policy.

        Args:
            caller: who asks.
            options: what it wants.
            without: members that were lost with this command already.

        Returns:
            the member, or None when those that may get it cannot take it now.

        Raises:
            AskrError: no member may ever get it; the code says why.
        """
        if (
            self.is_plain
            and not without
            and not (options.exclude or options.version or options.upload)
            and not caller.is_restricted
        ):
            return self.turn()
        allowed = self.allowed(caller, options)
        able = [m for m in allowed if m not in without and busy(m, self.command) is None]
        if not able:
            return None
        return self.pick(able, options.key.encode() if options.key else caller.origin)

    def pick(self, able: list[Instance], key: bytes) -> Instance:
        """Returns one of those who can take a command, by the policy; ``key`` is for `hash`."""
        return self._choose(self.service, able, key)

    def peek(self, caller: Session, options: CallOptions) -> Instance | None:
        """Returns whom `choose` would return, and leaves everything as it is."""
        service = self.service
        turn, owed = service.turn, [member.credit for member in self.members]
        try:
            return self.choose(caller, options)
        finally:
            service.turn = turn
            for member, credit in zip(self.members, owed, strict=True):
                member.credit = credit

    def allowed(self, caller: Session, options: CallOptions) -> list[Instance]:
        """Returns the members that may get a command of ``caller``, now or later.

        Raises:
            Forbidden: a rule keeps all of them from it.
            PayloadTooLarge: none of them takes a payload in pieces.
            NoInstance: the caller's own choice leaves none.
        """
        verdicts = [barred(member, self.command, caller, options) for member in self.members]
        allowed = [m for m, verdict in zip(self.members, verdicts, strict=True) if not verdict]
        if allowed:
            return allowed
        whys = {verdict[0]: verdict[1] for verdict in verdicts if verdict}
        details = {"service": self.service.name}
        if "forbidden" in whys:
            raise Forbidden(
                f"{self.name.decode()} was not sent: {whys['forbidden']}", details=details
            )
        if "too_large" in whys:
            raise PayloadTooLarge(f"{whys['too_large']}; it was not sent", details=details)
        raise NoInstance(
            f"no instance of '{self.service.name}' is left for this command: "
            f"{'; '.join(whys.values())}. Nothing was sent",
            details=details,
        )


def policy_of(member: Instance, spec: CommandSpec) -> str:
    """Returns the policy of a command: its own, else that of its service."""
    return spec.policy if spec.policy != ROUND_ROBIN else member.provision.policy


def _is_plain(member: Instance, spec: CommandSpec) -> bool:
    provision = member.provision
    restricts = spec.internal or spec.allow_from or provision.allow_from
    counts = spec.concurrency or provision.concurrency
    asks_one = spec.reply == "value" and spec.mode == "balanced" and not spec.queue
    return asks_one and not restricts and not counts
