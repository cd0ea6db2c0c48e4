"""What the options of `askr send` ask for, which of them exclude each other, and how they travel."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from askr_cli.exits import Usage
from askrd.wire.errors import BadRequest
from askrd.wire.limits import IDEMPOTENCY_KEY_CHARS_MAX
from askrd.wire.names import Address, check_word, parse_address, shown


class Way(Enum):
    """How a command is asked and answered."""

    VALUE = auto()
    ACK = auto()
    TELL = auto()
    STREAM = auto()
    SURVEY = auto()


_SEVERAL = "several instances"
"""Stands in the rules for whatever asks more than one instance."""

_SEVERAL_FLAGS = ("--all", "--first", "--quorum")

_RULES = (
    ("--tell", "--ack", "the first waits for nothing, the second until the command is accepted"),
    ("--tell", "--stream", "who is told does not answer"),
    ("--ack", "--stream", "an acknowledged command sends no items"),
    ("--first", "--quorum", "--first is --quorum 1"),
    ("--tell", "--all", "tell all of them by the address, as agent@*.reload"),
    ("--tell", "--first", "who is told does not answer"),
    ("--tell", "--quorum", "who is told does not answer"),
    ("--tell", "--in", "an upload needs somebody who reads it to its end"),
    ("--ack", "--in", "an upload needs somebody who reads it to its end"),
    ("--tell", "--raw", "who is told does not answer"),
    ("--ack", "--raw", "an acknowledgement has no value"),
    ("--tell", "--idempotency-key", "there is no outcome that could be kept"),
    ("--stream", "--idempotency-key", "the items of a stream are not kept"),
    ("--in", "--idempotency-key", "the pieces of an upload are not kept"),
    ("--in", "--lines", "an upload belongs to one command"),
    (_SEVERAL, "--stream", "a stream comes from one instance"),
    (_SEVERAL, "--in", "an upload goes to one instance"),
    (_SEVERAL, "--raw", "the rows say who answered"),
    (_SEVERAL, "--key", "a key chooses one instance"),
    (_SEVERAL, "--idempotency-key", "an idempotency key keeps one outcome"),
    (_SEVERAL, "--wait", "a survey asks those who are there"),
)
"""Pairs that exclude each other, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """What a line of `askr send` wants beyond an answer from whoever is next.

    Attributes:
        every: ask every instance that the address fits.
        first: the survey ends with the first good row.
        quorum: it ends with so many good rows; 0 = with all.
        exclude: ids of instances that are not to be asked.
        tell: want no answer.
        ack: want to know only that it was accepted.
        stream: want items, one a line.
        upload: file to send beside the payload, `-` for standard input, None for neither.
        key: what the policy `hash` goes by; empty = none.
        idempotency_key: the same command under the same key takes effect once; empty = none.
        wait_ms: how long to wait for somebody to offer the command; 0 = not at all.
        raw: want the bytes of values and items.
        lines: payloads come line by line from standard input.
    """

    every: bool = False
    first: bool = False
    quorum: int = 0
    exclude: tuple[str, ...] = ()
    tell: bool = False
    ack: bool = False
    stream: bool = False
    upload: str | None = None
    key: str | None = None
    idempotency_key: str | None = None
    wait_ms: int = 0
    raw: bool = False
    lines: bool = False

    def check(self, target: str) -> None:
        """Returns when all of this can be asked of ``target``.

        Raises:
            BadRequest: it is no address.
            Usage: two options exclude each other, or one has a wrong value.
        """
        address = parse_address(target)
        given = self._given(address, shown(target))
        own = next((flag for flag in ("--stream", *_SEVERAL_FLAGS) if flag in given), None)
        if target.startswith("$") and own is not None:
            raise Usage(f"{shown(target)} is answered by the daemon, with one value: no {own}")
        for one, other, why in _RULES:
            if one in given and other in given:
                raise Usage(f"{given[one]} and {given[other]} exclude each other: {why}")
        self._check_values()

    def way(self, target: str) -> Way:
        """Returns how a command to ``target`` is asked and answered."""
        if self.tell:
            return Way.TELL
        if self.asks_several or parse_address(target).is_survey:
            return Way.SURVEY
        if self.ack:
            return Way.ACK
        return Way.STREAM if self.stream else Way.VALUE

    @property
    def asks_several(self) -> bool:
        """Whether an option makes a survey of any address."""
        return self.every or self.first or self.quorum > 0

    @property
    def good_rows_wanted(self) -> int:
        """How many good rows end a survey; 0 = it ends when all have answered."""
        return 1 if self.first else self.quorum

    def frame_members(self) -> dict[str, Any]:
        """Returns the members of a text frame `call` that say this; those not needed are left out."""
        reply = "ack" if self.ack else "stream" if self.stream else None
        members = {
            "reply": reply,
            "silent": self.tell,
            "upload": "items" if self.upload is not None else None,
            "all": self.asks_several,
            "first": self.first,
            "quorum": self.quorum,
            "exclude": list(self.exclude),
            "key": self.key,
            "idempotency_key": self.idempotency_key,
            "wait": self.wait_ms,
        }
        return {name: value for name, value in members.items() if value}

    def arguments(self) -> dict[str, Any]:
        """Returns the arguments that the client's methods for a command have in common."""
        wait = self.wait_ms / 1000
        arguments = {
            "exclude": self.exclude,
            "key": self.key,
            "idempotency_key": self.idempotency_key,
            "wait": wait,
        }
        return {name: value for name, value in arguments.items() if value}

    def _given(self, address: Address, target: str) -> dict[str, str]:
        """The options of the line by their names, each with what a message calls it."""
        flags = {
            "--all": self.every,
            "--first": self.first,
            "--quorum": self.quorum,
            "--tell": self.tell,
            "--ack": self.ack,
            "--stream": self.stream,
            "--in": self.upload is not None,
            "--key": self.key is not None,
            "--idempotency-key": self.idempotency_key is not None,
            "--wait": self.wait_ms,
            "--raw": self.raw,
            "--lines": self.lines,
        }
        given = {name: name for name, is_given in flags.items() if is_given}
        if address.is_survey:
            given[_SEVERAL] = f"{target} (it asks several instances)"
        elif self.asks_several:
            flag = next(flag for flag in _SEVERAL_FLAGS if flag in given)
            given[_SEVERAL] = f"{flag} (it asks several instances)"
        return given

    def _check_values(self) -> None:
        for name in self.exclude:
            try:
                check_word(name, "instance")
            except BadRequest as exc:
                raise Usage(f"--exclude: {exc.message}, as in the table of askr services") from exc
        if self.key == "":
            raise Usage("--key is empty; an example: --key customer-7")
        key = self.idempotency_key
        if key is not None and not 0 < len(key) <= IDEMPOTENCY_KEY_CHARS_MAX:
            raise Usage(
                f"--idempotency-key has {len(key)} characters; it takes 1 to "
                f"{IDEMPOTENCY_KEY_CHARS_MAX}"
            )
