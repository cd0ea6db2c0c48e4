"""The fields of a text frame that a peer writes, as types to read them with."""

from typing import Any

import msgspec
from msgspec import UNSET


class Envelope(msgspec.Struct):
    """What a line of text may say about its frame; what it does not say is `UNSET` or empty."""

    k: str
    id: int = 0
    to: str = ""
    event: str = ""
    pattern: str = ""
    key: str = ""
    prefix: str | bool = ""
    d: msgspec.Raw = msgspec.Raw()
    b: str | None = None
    c: str = ""
    ttl: int | msgspec.UnsetType = UNSET
    hops: int = 0
    headers: dict[str, str] = {}
    if_rev: int | None = None
    up: bool = False
    more: bool = False
    op: Any = UNSET
    fast: Any = UNSET
    history: Any = UNSET
    group: Any = UNSET
    since: Any = UNSET
    retain: Any = UNSET
    ephemeral: Any = UNSET
    after: Any = UNSET
    retained: Any = UNSET
    policy: Any = UNSET
    weight: Any = UNSET
    when_full: Any = UNSET
    log: Any = UNSET
    consumer: Any = UNSET
    ack: Any = UNSET
    start: Any = UNSET
    start_seq: Any = UNSET
    unacked_max: Any = UNSET
    collect: Any = UNSET


class Asked(msgspec.Struct):
    """What a call says beside its address and payload."""

    reply: str = ""
    upload: str = ""
    all: bool = False
    first: bool = False
    quorum: int = 0
    exclude: list[str] = []
    key: str = ""
    idempotency_key: str = ""
    version: str = ""
    wait: int = 0
    silent: bool = False


class Named(msgspec.Struct):
    """What names a frame in an answer to it."""

    id: int = 0


ENVELOPE = msgspec.json.Decoder(Envelope)
ASKED = msgspec.json.Decoder(Asked)
NAMED = msgspec.json.Decoder(Named)
