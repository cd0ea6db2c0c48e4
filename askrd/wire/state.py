"""What frames about state say beside key and value: OPTIONS, and the end of a snapshot."""

from askrd.wire.bodies import Body


class Synced(Body, omit_defaults=False):
    """End of a watch's snapshot."""

    rev: int


class EntryOptions(Body):
    """OPTIONS of `ok` and `change`: what stands beside a state value.

    Attributes:
        rev: the revision of the last change. ts: Unix milliseconds of it.
        op: `set` or `del`. cause: why.
        watch: id of the request that a `change` answers; 0 = it is live.
        count: how many frames came before. changed: whether a write changed anything.
        ttl_ms: how long the entry still lives; 0 = for ever.
        ephemeral: whether it dies with its owner. owner: instance id of that peer.
    """

    rev: int = 0
    ts: int = 0
    op: str = ""
    cause: str = ""
    watch: int = 0
    count: int | None = None
    changed: bool | None = None
    ttl_ms: int = 0
    ephemeral: bool = False
    owner: str = ""


class GetOptions(Body, forbid_unknown_fields=True):
    """OPTIONS of a `get`.

    Attributes:
        prefix: everything at or below the name, in place of one entry.
        history: how many of the last changes are wanted, in place of what there is now.
    """

    prefix: bool = False
    history: int | None = None


class PutOptions(Body, forbid_unknown_fields=True):
    """OPTIONS of a `put`.

    Attributes:
        op: empty (the payload is the value), `patch`, `incr` or `touch`.
        if_rev: write only if the entry has this rev, 0 = must not exist; None = in any case.
        ttl_ms: how long the entry is to live; 0 = for ever; None = as the op has it.
        ephemeral: whether it goes when the peer that writes it leaves.
        fast: whether the answer does not wait for the store.
    """

    op: str = ""
    if_rev: int | None = None
    ttl_ms: int | None = None
    ephemeral: bool = False
    fast: bool = False


class DelOptions(Body, forbid_unknown_fields=True):
    """OPTIONS of a `del`; see `PutOptions`."""

    if_rev: int | None = None
    fast: bool = False


class WatchOptions(Body, forbid_unknown_fields=True):
    """OPTIONS of a `watch`.

    Attributes:
        since: tell what changed after this rev in place of a snapshot; None = the snapshot.
    """

    since: int | None = None
