"""The JSON bodies of administrative frames, as types both sides share.

Unknown members are ignored, so that a newer peer can say more to an older one.
"""

from typing import Any, TypeVar, cast

import msgspec

from askrd.wire.errors import BadRequest
from askrd.wire.limits import (
    JOB_ATTEMPTS,
    JOB_BACKOFF_MS,
    JOB_KEEP_MS,
    UNACKED_MAX,
    WAITING_COMMANDS_MAX,
)

T = TypeVar("T")

Json = Any
"""Whatever JSON can say."""


class Body(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A JSON object with documented members."""


class Hello(Body):
    """First frame of a peer."""

    v: int | list[int]
    name: str = "peer"
    kind: str = ""
    workspace: str = ""
    method: str = "none"
    instance: str = ""
    resume: str = ""
    roster: bool = False
    streams: bool = False
    resumable: bool = False
    received: int = -1
    link: bool = False
    software: str = ""


class Channel(Body, omit_defaults=False):
    """A way that the daemon prefers for the events of a pattern.

    Attributes:
        match: pattern of event names.
        via: `udp`, or `connection`: as if there were no rule.
        url: where datagrams go, `udp://HOST:PORT`; else empty.
    """

    match: str
    via: str
    url: str = ""


class Welcome(Body, omit_defaults=False):
    """The daemon's answer to HELLO."""

    v: int
    id: str
    instance: str
    workspace: str
    daemon: str
    epoch: str
    resume: str
    version: str
    limits: dict[str, int]
    resumed: bool = False
    received: int = 0
    window_ms: int = 0
    channels: list[Channel] = []


class ErrorBody(Body):
    """Members of `fail` and `error`."""

    code: str
    message: str = ""
    details: dict[str, Json] = {}
    retryable: bool = False
    at: str = ""


class CommandSpec(Body):
    """One command of a service, as it registers and as `$askr.describe` shows it."""

    name: str
    doc: str = ""
    request: Json = None
    response: Json = None
    reply: str = "value"
    timeout_ms: int = 0
    idempotent: bool = False
    mode: str = "balanced"
    policy: str = "round_robin"
    concurrency: int = 0
    internal: bool = False
    queue: bool = False
    attempts: int = JOB_ATTEMPTS
    backoff_ms: int = JOB_BACKOFF_MS
    keep_ms: int = JOB_KEEP_MS
    serial: bool | str = False
    allow_from: list[str] = []
    upload: bool = False
    waiting_max: int = WAITING_COMMANDS_MAX


class EventSpec(Body):
    """One event a service emits, or a pattern it listens to."""

    event: str
    doc: str = ""
    schema: Json = None


class Provision(Body):
    """What an instance offers: body of PROVIDE and UPDATE."""

    service: str
    version: str = ""
    doc: str = ""
    tags: dict[str, str] = {}
    commands: list[CommandSpec] = []
    emits: list[EventSpec | str] = []
    listens: list[EventSpec | str] = []
    policy: str = "round_robin"
    concurrency: int = 0
    weight: int = 1
    allow_from: list[str] = []
    connect_to: list[str] = []
    replaces: str = ""


class Provided(Body, omit_defaults=False):
    """Answer to PROVIDE and UPDATE."""

    service: str
    instance: str


class CallOptions(Body, forbid_unknown_fields=True):
    """OPTIONS of a `call`: what the caller wants beyond an answer from whoever is next.

    Attributes:
        reply: `ack`, `value` or `stream`; empty = a value, or less when the command gives less.
        upload: `items` or `payload`: UP frames follow; empty = none do.
        all: ask every instance the address fits.
        first: a survey ends with the first good row. quorum: or with so many of them.
        exclude: instances that are not to be asked.
        key: what the policy `hash` goes by.
        idempotency_key: the same command under the same key takes effect once.
        version: range of the service's version.
        wait_ms: how long to wait for somebody to offer the command.
        job, attempt: the daemon's words to an instance that carries out a job.
    """

    reply: str = ""
    upload: str = ""
    all: bool = False
    first: bool = False
    quorum: int = 0
    exclude: list[str] = []
    key: str = ""
    idempotency_key: str = ""
    version: str = ""
    wait_ms: int = 0
    job: str = ""
    attempt: int = 0


class Summary(Body, omit_defaults=False):
    """Outcome of a survey: how many rows were good, failed, and came from instances that left."""

    ok: int
    failed: int
    lost: int


class Credit(Body, omit_defaults=False):
    """How much more of a stream its receiver takes."""

    items: int
    bytes: int


class Withdraw(Body):
    """Takes a service of the sender out of the registry."""

    service: str


class Place(Body, forbid_unknown_fields=True):
    """Names one event: the daemon's epoch, and the number of the event in its workspace."""

    epoch: str
    seq: int


class SubOptions(Body, forbid_unknown_fields=True):
    """OPTIONS of a `sub`: what is wanted beside the events that come from now on.

    Attributes:
        since_ms: events of the last so many milliseconds come first. after: those behind this one.
        retained: whether retained events that match come first; None = true where that can be.
        group: the sub is a member of this group: each event goes to one member.
        policy: which member gets it; see `askrd.core.choice`. weight: for the policy `weighted`.
        when_full: `drop_oldest`, `disconnect` or `conflate`: what becomes of unread events.
        log: the sub reads this log; the name is a filter. consumer: and shares this place in it.
        ack: whether events are to be acknowledged; None = true with a consumer.
        start: `first` or `new`: where a reader of a log begins. start_seq: or at this number.
        unacked_max: how many events this member of a consumer may have unacknowledged.
    """

    since_ms: int | None = None
    after: Place | None = None
    retained: bool | None = None
    group: str = ""
    policy: str = ""
    weight: int = 1
    when_full: str = ""
    log: str = ""
    consumer: str = ""
    ack: bool | None = None
    start: str = ""
    start_seq: int | None = None
    unacked_max: int = UNACKED_MAX


class EmitOptions(Body, forbid_unknown_fields=True):
    """OPTIONS of an `emit`.

    Attributes:
        retain: the event stays as the last one of its subject; without a payload none does.
        collect: listeners may answer; the frame's ttl_ms says how long.
        key: what the policy `hash` of a group goes by; empty = the subject.
    """

    retain: bool = False
    collect: bool = False
    key: str = ""


class EventOptions(Body):
    """OPTIONS of an `event` or a `gap` that is for one subscription only.

    Attributes:
        sub: the subscription; 0 = all that match.
        answer: the id under which an `answer` is wanted; 0 = none is.
        retained: whether it is the last one of its subject, told to a subscription that begins.
        log_seq: the event's number in the log it comes from. delivery: how often it has come.
    """

    sub: int = 0
    answer: int = 0
    retained: bool = False
    log_seq: int = 0
    delivery: int = 0


class Ack(Body):
    """Body of `ack` and `nak`: an event of a log that was taken in, or is wanted once more.

    Attributes:
        sub: the subscription it came under. seq: its number in the log.
        delay_ms: of a `nak`: how long to wait before it comes again.
    """

    sub: int
    seq: int
    delay_ms: int = 0


class Subbed(Body):
    """Body of `subbed`.

    Attributes:
        seq: number of the workspace's last event when the subscription began; 0 = not said.
    """

    seq: int = 0


class Emitted(Body, omit_defaults=False):
    """Answer to an EMIT that carried an id; ``answers`` only when some were collected."""

    receivers: int
    seq: int
    answers: int | msgspec.UnsetType = msgspec.UNSET


class Gap(Body):
    """Events a session lost because it read too slowly; ``from_`` and ``to`` are seqs."""

    missed: int
    from_: int = msgspec.field(name="from", default=0)
    to: int = 0
    subjects: dict[str, int] = {}


class Bye(Body):
    """Why a side says goodbye."""

    reason: str = ""


_ENCODER = msgspec.json.Encoder()


def dump(body: Json) -> bytes:
    """Returns ``body`` as compact JSON."""
    return _ENCODER.encode(body)


_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}


def load(kind: type[T], payload: bytes, what: str) -> T:
    """Reads ``payload`` as the body type ``kind``.

    Raises:
        BadRequest: it is not JSON or does not fit; the message calls it ``what`` and names the
            path of the misfit.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        return cast(T, decoder.decode(payload or b"null"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise BadRequest(f"{what}: {exc}") from exc
