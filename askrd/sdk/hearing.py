"""How a listener wants to hear events, beside live and all of them: OPTIONS of a subscription."""

from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict

from askrd.sdk.terms import POLICIES
from askrd.wire.bodies import Place, SubOptions, dump
from askrd.wire.errors import BadRequest
from askrd.wire.limits import TTL_MS_MAX, UNACKED_MAX
from askrd.wire.names import check_word

Acking = Literal["auto", "manual", False]
UNACKED = 64
"""Events of a log that one listener holds, when it handles one after the other: the last of them
is to be acknowledged in time, too."""
WHEN_FULL = ("drop_oldest", "disconnect", "conflate")
ACKS = ("auto", "manual", False)
_ID_MAX = 2**53


class ListenWishes(TypedDict, total=False):
    """What `Client.listen` and `on` take beside patterns."""

    since: float | None
    retained: bool
    group: str | None
    policy: str | None
    weight: int
    when_full: str
    log: str | None
    consumer: str | None
    ack: Acking
    start: str | int | None
    unacked: int | None


_NO_OPTIONS = dump(SubOptions())


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How one subscription hears.

    Attributes:
        since_ms: how far back remembered events come first; 0 = none do.
        retained: whether the last event of each subject comes first, where it was retained.
        group: whose member it is: each event goes to one of them; empty = of none.
        policy: which member; empty = `round_robin`.
        weight: its share under the policy `weighted`.
        when_full: what happens while it does not read: `disconnect`, `conflate`; empty = the
            oldest events are dropped.
        log: whose events they are; empty = what is told live.
        consumer: under which name the log remembers its place; empty = the log does not.
        ack: whether the log waits for acknowledgements.
        is_auto: whether an event is acknowledged by itself once it was handled.
        start: where a new consumer begins: `first` or `new`; empty = `first`.
        start_seq: or from which number of the log on; 0 = as ``start`` says.
        unacked_max: how many events may be here and wait for their acknowledgement.
    """

    since_ms: int = 0
    retained: bool = True
    group: str = ""
    policy: str = ""
    weight: int = 1
    when_full: str = ""
    log: str = ""
    consumer: str = ""
    ack: bool = True
    is_auto: bool = False
    start: str = ""
    start_seq: int = 0
    unacked_max: int = UNACKED_MAX

    @property
    def is_apart(self) -> bool:
        """Whether it gets frames of its own, and not those for everybody."""
        return bool(self.group or self.log) or self.when_full == "conflate"

    def options(self, after: Place | None = None, *, is_whole: bool = True) -> bytes:
        """Returns the OPTIONS section; empty when nothing is asked for.

        Args:
            after: the last event seen in an earlier session; what came first comes not again.
            is_whole: whether all that is retained had come by then.
        """
        went_on = after is not None
        said = dump(
            SubOptions(
                since_ms=None if went_on else self.since_ms or None,
                after=after,
                retained=False if (went_on and is_whole) or not self.retained else None,
                group=self.group,
                policy=self.policy,
                weight=self.weight,
                when_full=self.when_full,
                log=self.log,
                consumer=self.consumer,
                ack=None if self.ack else False,
                start=self.start,
                start_seq=self.start_seq or None,
                unacked_max=self.unacked_max,
            )
        )
        return b"" if said == _NO_OPTIONS else said

    @property
    def is_paced(self) -> bool:
        """Whether nothing but this side keeps a log from telling all of it at once."""
        return bool(self.log) and not (self.consumer and self.ack)

    @property
    def is_manual(self) -> bool:
        """Whether the program acknowledges events itself."""
        return bool(self.consumer) and self.ack and not self.is_auto

    def for_count(self, count: int | None) -> "Hearing":
        """Returns how to hear when only so many events are wanted: a log sends no more at once."""
        if count is None or not self.consumer or not self.ack:
            return self
        return replace(self, unacked_max=max(1, min(count, self.unacked_max)))

    def behind(self, log_seq: int) -> "Hearing":
        """Returns how to go on behind a number of the log, where nobody remembers the place."""
        if not self.log or self.consumer or not log_seq:
            return self
        return replace(self, start="", since_ms=0, start_seq=log_seq + 1)


PLAIN = Hearing()
"""Live events, with what is retained first."""


def hearing(  # noqa: PLR0913  # each is an argument of `listen`
    *,
    since: float | None = None,
    retained: bool = True,
    group: str | None = None,
    policy: str | None = None,
    weight: int = 1,
    when_full: str = "drop_oldest",
    log: str | None = None,
    consumer: str | None = None,
    ack: Acking = "auto",
    start: str | int | None = None,
    unacked: int | None = None,
) -> Hearing:
    """Reads what was asked of `listen` or `on`; see `Client.listen` for the arguments.

    Raises:
        BadRequest: one of them makes no sense, or not beside another; nothing was sent.
    """
    _check_alone("policy", policy is not None, "group", group)
    _check_alone("weight", weight != 1, "group", group)
    _check_alone("consumer", consumer is not None, "log", log)
    _check_alone("start", start is not None, "log", log)
    _check_alone("ack", ack != "auto", "consumer", consumer)
    _check_alone("unacked", unacked is not None, "consumer", consumer)
    if log and (group or when_full != "drop_oldest"):
        raise BadRequest(
            "a log has no group and no when_full: members of one consumer share its events"
        )
    if log and start is not None and since is not None:
        raise BadRequest("start and since both say where to begin; give one of them")
    _check_choice("policy", policy or "round_robin", POLICIES)
    _check_choice("when_full", when_full, WHEN_FULL)
    _check_choice("ack", ack, ACKS)
    if type(weight) is not int or weight < 1:
        raise BadRequest(f"weight={weight!r}: it is a whole number, at least 1")
    if unacked is not None and (type(unacked) is not int or not 0 < unacked <= UNACKED_MAX):
        raise BadRequest(f"unacked={unacked!r}: it is a whole number from 1 to {UNACKED_MAX}")
    is_auto = bool(consumer) and ack == "auto"
    first, start_seq = _start_of(start)
    return Hearing(
        since_ms=_since_ms(since),
        retained=retained,
        group=_word("group", group),
        policy=policy or "",
        weight=weight,
        when_full="" if when_full == "drop_oldest" else when_full,
        log=_word("log", log),
        consumer=_word("consumer", consumer),
        ack=ack is not False,
        is_auto=is_auto,
        start=first,
        start_seq=start_seq,
        unacked_max=unacked or (UNACKED if is_auto else UNACKED_MAX),
    )


def patterns_of(patterns: tuple[str, ...], wanted: Hearing) -> tuple[str, ...]:
    """Returns what to listen to; of a log that is everything unless one pattern filters it.

    Raises:
        BadRequest: a log is to be filtered by several patterns.
        TypeError: there is no pattern.
    """
    if wanted.log:
        if len(patterns) > 1:
            raise BadRequest("a log takes one pattern as its filter; leave the others out")
        return patterns or ("**",)
    if not patterns:
        raise TypeError("listen to what? Give at least one pattern; '**' is everything")
    return patterns


def _start_of(start: str | int | None) -> tuple[str, int]:
    if start is None:
        return "", 0
    if isinstance(start, int) and not isinstance(start, bool) and 0 < start < _ID_MAX:
        return "", start
    if start in ("first", "new"):
        return str(start), 0
    raise BadRequest(f"start={start!r}: it is 'first', 'new', or a number of the log from 1 on")


def _since_ms(since: float | None) -> int:
    if since is None:
        return 0
    if isinstance(since, bool) or not 0 < since * 1000 <= TTL_MS_MAX:
        raise BadRequest(f"since={since!r}: seconds to look back, above 0 and at most 49 days")
    return max(1, round(since * 1000))


def _word(what: str, name: str | None) -> str:
    return "" if name is None else check_word(name, what)


def _check_alone(option: str, given: object, needed: str, other: object) -> None:
    if given and not other:
        raise BadRequest(f"{option} means nothing without {needed}=; give that too")


def _check_choice(option: str, value: object, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        said = ", ".join(map(repr, choices))
        raise BadRequest(f"{option}={value!r}: it is one of {said}")
