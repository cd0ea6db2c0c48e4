"""What `askr listen` wants beside live events: earlier ones, retained ones, a group, a log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from askr_cli.exits import Usage
from askrd.wire.errors import ErrorCode
from askrd.wire.names import check_pattern, check_word, shown

if TYPE_CHECKING:
    from askrd.sdk.hearing import ListenWishes

EVERYTHING = "**"
_SEQ_DIGITS_MAX = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Which events come before the live ones, and who shares them.

    Attributes:
        since_ms: how far back; None = not at all.
        retained: whether the last of each event comes first, where it was retained.
        group: whose member this is; None = of none.
        log: the durable log that is read; None = none.
        consumer: the name under which the log remembers the place; None = it does not.
        ack: whether each event is acked when it is printed.
        start: where in the log a new reader begins: `first`, `new` or a number.
    """

    since_ms: int | None = None
    retained: bool = False
    group: str | None = None
    log: str | None = None
    consumer: str | None = None
    ack: bool = False
    start: str | None = None


class Wishes:
    """What is listened to, and how.

    Attributes:
        patterns: of events; of a log everything, unless one pattern filters it.
    """

    def __init__(self, patterns: tuple[str, ...], earlier: Earlier) -> None:
        self.patterns = patterns or ((EVERYTHING,) if earlier.log is not None else ())
        self._earlier = earlier

    def check(self, *, one_service: bool) -> None:
        """Returns when the wishes go together.

        Args:
            one_service: whether only the events of one service are printed.

        Raises:
            Usage: they do not.
            BadRequest: a pattern or a name breaks the grammar.
        """
        wants = self._earlier
        if not self.patterns:
            raise Usage("say what to listen to: askr listen PATTERN; '**' is every event")
        for one in self.patterns:
            check_pattern(one)
        for what, name in (("group", wants.group), ("log", wants.log)):
            if name is not None:
                check_word(name, what)
        if wants.log is None:
            self._check_without_log()
            return
        if len(self.patterns) > 1:
            raise Usage("a log takes one pattern as its filter: leave the others out")
        if wants.group is not None:
            raise Usage("--group shares live events; those of a log are shared by --consumer")
        if wants.retained:
            raise Usage("--retained is for live events: a log has all of its events")
        if wants.start is not None and wants.since_ms is not None:
            raise Usage("--start and --since both say where to begin: give one")
        self._check_consumer(one_service=one_service)
        self._start()

    def _check_without_log(self) -> None:
        wants = self._earlier
        needy = {"--consumer": wants.consumer, "--ack": wants.ack, "--start": wants.start}
        for flag, given in needy.items():
            if given:
                raise Usage(f"{flag} is for a durable log: say which, --log NAME  (askr logs)")
        if wants.group is not None and (wants.retained or wants.since_ms is not None):
            raise Usage(
                "a group shares what comes from now on: leave --since and --retained out, "
                "or share a durable log with --log and --consumer"
            )

    def _check_consumer(self, *, one_service: bool) -> None:
        wants = self._earlier
        if wants.consumer is None:
            if wants.ack:
                raise Usage("--ack tells the log how far a consumer is: say who, --consumer NAME")
            return
        check_word(wants.consumer, "consumer")
        if one_service:
            raise Usage(
                "--from would hide events that the consumer then never sees again: "
                "leave it out, or leave --consumer out"
            )

    def _start(self) -> str | int | None:
        start = self._earlier.start
        if start is None or start in {"first", "new"}:
            return start
        if start.isascii() and start.isdigit() and len(start) <= _SEQ_DIGITS_MAX and int(start):
            return int(start)
        raise Usage(f"--start {shown(start)}: write first, new, or a sequence number from 1 on")

    def arguments(self) -> "ListenWishes":
        """Returns what the client's `listen` takes beside the patterns."""
        wants = self._earlier
        found: ListenWishes = {"retained": wants.retained}
        if wants.since_ms is not None:
            found["since"] = wants.since_ms / 1000
        if wants.group is not None:
            found["group"] = wants.group
        if wants.log is not None:
            found |= {"log": wants.log, "start": self._start()}
        if wants.consumer is not None:
            found |= {"consumer": wants.consumer, "ack": "manual" if wants.ack else False}
        return found

    @property
    def has_consumer(self) -> bool:
        """Whether a log is told how far it was read: then no more is taken than is wanted."""
        return self._earlier.consumer is not None

    def frame_members(self) -> dict[str, Any]:
        """Returns what the frame says beside the pattern."""
        wants = self._earlier
        start = self._start()
        return {
            "since": wants.since_ms,
            "retained": None if wants.retained else False,
            "group": wants.group,
            "log": wants.log,
            "consumer": wants.consumer,
            "ack": wants.ack if wants.consumer is not None else None,
            "start": start if isinstance(start, str) else None,
            "start_seq": start if isinstance(start, int) else None,
        }

    def next_steps(self) -> Mapping[ErrorCode, str]:
        """Returns command lines that help when the daemon refuses."""
        if self._earlier.log is None:
            return {}
        return {ErrorCode.NOT_FOUND: "askr logs list"}

    def __str__(self) -> str:
        wants = self._earlier
        patterns = " ".join(self.patterns)
        if wants.log is None:
            return f"{patterns} in group {wants.group}" if wants.group else patterns
        only = "" if self.patterns == (EVERYTHING,) else f", only {patterns}"
        as_ = f" as {wants.consumer}" if wants.consumer else ""
        return f"the log {wants.log}{as_}{only}"
