"""The words of text frames: which kinds a peer says in text, and what their fields stand for."""

from askrd.wire.bodies import Ack, Body, Bye, Credit, ErrorBody, Hello, Provision, Withdraw
from askrd.wire.frames import FLAG_KEPT, FLAG_MORE, FLAG_SILENT, FLAG_UP, Kind

NAME_FIELD = {
    Kind.CALL: "to",
    Kind.SUB: "pattern",
    Kind.EMIT: "event",
    Kind.EVENT: "event",
    Kind.GET: "key",
    Kind.PUT: "key",
    Kind.DEL: "key",
    Kind.WATCH: "prefix",
    Kind.CHANGE: "key",
    Kind.OK: "key",
}
"""Which text field the frame's name is; other kinds have no name."""

BODY_OF: dict[Kind, type[Body]] = {
    Kind.HELLO: Hello,
    Kind.BYE: Bye,
    Kind.FAIL: ErrorBody,
    Kind.ERROR: ErrorBody,
    Kind.CREDIT: Credit,
    Kind.ACK: Ack,
    Kind.NAK: Ack,
    Kind.RESET: ErrorBody,
    Kind.PROVIDE: Provision,
    Kind.UPDATE: Provision,
    Kind.WITHDRAW: Withdraw,
}
"""Kinds a peer sends whose members stand in the frame itself, with the members' type."""

WITH_PAYLOAD = frozenset(
    {
        Kind.CALL,
        Kind.PROGRESS,
        Kind.REPLY,
        Kind.ITEM,
        Kind.EMIT,
        Kind.EVENT,
        Kind.ANSWER,
        Kind.PUT,
        Kind.CHANGE,
        Kind.OK,
    }
)
"""Kinds with an opaque payload, ``d`` or ``b`` in text."""

OPTIONS_OF = {
    Kind.GET: {"prefix": "prefix", "history": "history"},
    Kind.PUT: {
        "op": "op",
        "if_rev": "if_rev",
        "ttl": "ttl_ms",
        "ephemeral": "ephemeral",
        "fast": "fast",
    },
    Kind.DEL: {"if_rev": "if_rev", "fast": "fast"},
    Kind.WATCH: {"since": "since"},
    Kind.SUB: {
        "since": "since_ms",
        "after": "after",
        "retained": "retained",
        "group": "group",
        "policy": "policy",
        "weight": "weight",
        "when_full": "when_full",
        "log": "log",
        "consumer": "consumer",
        "ack": "ack",
        "start": "start",
        "start_seq": "start_seq",
        "unacked_max": "unacked_max",
    },
    Kind.EMIT: {"retain": "retain", "collect": "collect", "key": "key"},
}
"""Text fields that become OPTIONS of a binary frame, and their names there; those of a call are
`CallOptions`."""

SHORT = {"wait_ms": "wait", "ttl_ms": "ttl"}
"""OPTIONS that have another name as fields of text."""

WITH_MORE = frozenset({Kind.REPLY, Kind.ITEM})
"""Kinds a peer may mark with ``more``."""

WITH_UP = frozenset({Kind.CREDIT, Kind.ITEM, Kind.END, Kind.RESET})
"""Kinds a peer may mark with ``up``."""

FLAG_FIELD = {FLAG_SILENT: "silent", FLAG_UP: "up", FLAG_MORE: "more", FLAG_KEPT: "kept"}
"""Flags of a frame that are fields in text: true, or absent."""

ENVELOPE_FIELDS = frozenset(
    {"k", "id", "ttl", "hops", "headers", "from", "seq", "ts", *FLAG_FIELD.values()}
)
"""What a frame says about itself; the members of a relayed body cannot say it."""

NOT_TOLD = frozenset({Kind.SUBBED})
"""Kinds whose body text leaves out: what it is for, lines of text do not do."""

RELAYED_BODIES = frozenset({Kind.FAIL, Kind.CREDIT, Kind.RESET})
"""Kinds whose members another peer may have written."""

SPOKEN_BY_PEERS = frozenset(
    {
        *BODY_OF,
        Kind.PING,
        Kind.PONG,
        Kind.CALL,
        Kind.PROGRESS,
        Kind.REPLY,
        Kind.CANCEL,
        Kind.ITEM,
        Kind.END,
        Kind.SUB,
        Kind.UNSUB,
        Kind.EMIT,
        Kind.ANSWER,
        Kind.GET,
        Kind.PUT,
        Kind.DEL,
        Kind.WATCH,
        Kind.UNWATCH,
    }
)
"""Kinds a peer may say in text."""

GRAVE_FIELDS = ("group", "since", "retain", "ephemeral", "collect")
"""Text fields that change what a request means: refused where they mean nothing, never ignored."""
