"""What a service lays down about its commands, and about itself, beside the handlers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

from askrd.wire.errors import BadRequest
from askrd.wire.limits import TTL_MS_MAX, WAITING_COMMANDS_MAX


class ReplyMode(StrEnum):
    """What a caller gets from a command, from the least to the most."""

    NONE = "none"
    ACK = "ack"
    VALUE = "value"
    STREAM = "stream"


MODES = ("balanced", "broadcast")
POLICIES = ("round_robin", "least", "random", "hash", "hash(key)", "first", "weighted")
_COUNT_MAX = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTerms:
    """What is laid down about one command.

    Attributes:
        timeout: seconds a caller that names no deadline gives it; None = the daemon's 30.
        idempotent: whether carrying it out twice does no harm.
        doc: what it does; None = the docstring.
        reply: a `ReplyMode`; None = `stream` for a generator, else `value`.
        mode: `balanced` asks one instance, `broadcast` all of them.
        policy: which instance is asked; empty = as the service says.
        concurrency: how many an instance carries out at once; 0 = any number.
        waiting: how many may wait in the daemon while no instance has room.
        serial: True = one after another; a parameter's name = those with an equal argument.
        internal: whether terminals neither see nor reach it.
        allow_from: which services may ask; None or empty = anybody.
        queue: whether callers get the id of a job, which is carried out in its turn, and again
            after a failure that is not the handler's own word.
        attempts: how many times at most; None = 5.
        backoff: seconds before the second attempt, doubling up to 60; None = 1.
        keep: seconds that the outcome of a job is kept; None = an hour.
    """

    timeout: float | None = None
    idempotent: bool = False
    doc: str | None = None
    reply: str | None = None
    mode: str = "balanced"
    policy: str = ""
    concurrency: int = 0
    waiting: int = WAITING_COMMANDS_MAX
    serial: bool | str = False
    internal: bool = False
    allow_from: Sequence[str] | None = None
    queue: bool = False
    attempts: int | None = None
    backoff: float | None = None
    keep: float | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without the handler.

        Raises:
            BadRequest: a value is none of those it may be; the message names them.
        """
        if self.timeout is not None and not 0 < self.timeout * 1000 <= TTL_MS_MAX:
            raise BadRequest(
                f"timeout={self.timeout}: a timeout is above 0 and at most 49 days, in seconds"
            )
        if self.reply is not None:
            _check_choice("reply", self.reply, tuple(ReplyMode))
        _check_choice("mode", self.mode, MODES)
        if self.policy:
            _check_choice("policy", self.policy, POLICIES)
        _check_count("concurrency", self.concurrency)
        _check_count("waiting", self.waiting)
        _check_names("allow_from", self.allow_from)
        self._check_queue()

    def _check_queue(self) -> None:
        """Refuses what is of queues only, where there is none, and what a queue cannot give."""
        given = {"attempts": self.attempts, "backoff": self.backoff, "keep": self.keep}
        for option, value in given.items():
            if value is not None and not self.queue:
                raise BadRequest(f"{option}={value!r} is for a queue; say queue=True too")
        if self.queue and self.reply not in {None, ReplyMode.VALUE}:
            raise BadRequest(
                f"queue=True with reply='{self.reply}': a queue answers with the id of a job; "
                "leave reply out"
            )
        _check_count("attempts", self.attempts or 1, least=1)
        for option, seconds in (("backoff", self.backoff), ("keep", self.keep)):
            if seconds is not None and not 0 <= seconds * 1000 <= TTL_MS_MAX:
                raise BadRequest(f"{option}={seconds!r}: seconds from 0 to 49 days")

    @property
    def timeout_ms(self) -> int:
        """The timeout in milliseconds; 0 = the daemon's."""
        return 0 if self.timeout is None else max(1, round(self.timeout * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTerms:
    """What is laid down about a whole service.

    Attributes:
        policy: which instance is asked.
        concurrency: how many commands an instance carries out at once; 0 = any number.
        weight: its share under the policy `weighted`.
        allow_from: which services may ask; None or empty = anybody.
        connect_to: which services this one means to ask; None or empty = any.
    """

    policy: str = "round_robin"
    concurrency: int = 0
    weight: int = 1
    allow_from: Sequence[str] | None = None
    connect_to: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Checks.

        Raises:
            BadRequest: a value is none of those it may be; the message names them.
        """
        _check_choice("policy", self.policy, POLICIES)
        _check_count("concurrency", self.concurrency)
        _check_count("weight", self.weight, least=1)
        _check_names("allow_from", self.allow_from)
        _check_names("connect_to", self.connect_to)


class GivenTerms(TypedDict, total=False):
    """Members of `ServiceTerms` as keyword arguments."""

    policy: str
    concurrency: int
    weight: int
    allow_from: Sequence[str] | None
    connect_to: Sequence[str] | None


def _check_choice(option: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise BadRequest(f"{option}={value!r}: it is one of {', '.join(choices)}")


def _check_count(option: str, value: object, *, least: int = 0) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < _COUNT_MAX:
        raise BadRequest(f"{option}={value!r}: it is a whole number, at least {least}")


def _check_names(option: str, names: object) -> None:
    if names is None:
        return
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise BadRequest(f"{option}={names!r}: it is a list of names, as in ['web', 'cron']")
    for name in names:
        if not isinstance(name, str) or not name:
            raise BadRequest(f"{option}: {name!r} is no name")
