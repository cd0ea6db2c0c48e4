"""The opening of a conversation: which version both sides speak, and what HELLO may say."""

from dataclasses import dataclass

from askrd.wire.bodies import Hello, load
from askrd.wire.errors import BadRequest, Unauthenticated, VersionUnsupported
from askrd.wire.names import check_word, check_workspace

VERSIONS = (1,)
"""Versions of the protocol this code speaks."""
_VERSION_MAX = 0xFFFF
METHODS = ("none",)
"""Ways to prove an identity that this version knows."""
PEER_KINDS = ("service", "terminal", "legacy", "http")
"""Kinds a peer may call itself; without one, offering a service makes it `service`."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A HELLO that was understood: what the peer wants, checked.

    Attributes:
        version: the version to speak.
        name: the peer's name.
        kind: `service`, `terminal` or empty (not said).
        workspace: canonical workspace name, or empty (the daemon's default).
        instance: the instance id the peer had before and would like to keep, or empty.
        resume: the secret of its earlier WELCOME, or empty.
        roster: whether it wants `roster` frames.
        streams: whether it understands the frames of streams.
        resumable: whether it keeps what it takes to come back after a lost connection.
        received: how many bytes it got in the session that it comes back to; -1 = it does not.
        link: whether this is a further connection of a session that lives.
    """

    version: int
    name: str
    kind: str
    workspace: str
    instance: str
    resume: str
    roster: bool
    streams: bool = False
    resumable: bool = False
    received: int = -1
    link: bool = False


def choose_version(offered: list[int]) -> int:
    """Returns the best version that both sides speak.

    Raises:
        VersionUnsupported: there is none; ``details`` lists both sides' versions.
    """
    common = set(offered) & set(VERSIONS)
    if not common:
        plausible = [version for version in offered if 0 <= version <= _VERSION_MAX][:16]
        raise VersionUnsupported(
            f"this daemon speaks askr/{'/'.join(map(str, VERSIONS))} and was offered "
            f"{plausible or 'no version'}; use a client of this version",
            details={"offered": plausible, "supported": list(VERSIONS)},
        )
    return max(common)


def read_hello(payload: bytes) -> Opening:
    """Reads the body of a HELLO.

    Raises:
        BadRequest: it is not a HELLO, or a name in it breaks the grammar.
        VersionUnsupported: no common version.
        Unauthenticated: the method is not known to this daemon.
    """
    hello = load(Hello, payload, "hello")
    version = choose_version([hello.v] if isinstance(hello.v, int) else hello.v)
    if hello.method not in METHODS:
        raise Unauthenticated(
            "this daemon knows the method 'none' only; authentication is not built yet",
            details={"methods": list(METHODS)},
        )
    if hello.kind and hello.kind not in PEER_KINDS:
        raise BadRequest(f"kind is one of {', '.join(PEER_KINDS)}")
    return Opening(
        version=version,
        name=check_word(hello.name, "peer"),
        kind=hello.kind,
        workspace=check_workspace(hello.workspace) if hello.workspace else "",
        instance=check_word(hello.instance, "instance") if hello.instance else "",
        resume=hello.resume,
        roster=hello.roster,
        streams=hello.streams,
        resumable=hello.resumable,
        received=hello.received,
        link=hello.link,
    )
