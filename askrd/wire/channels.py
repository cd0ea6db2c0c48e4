"""Which way the events of a pattern are to take: what a rule may say, and how long a datagram is."""

from collections.abc import Iterable, Sequence

from askrd.wire.addresses import ListenAddress
from askrd.wire.bodies import Body, Channel
from askrd.wire.errors import BadRequest
from askrd.wire.limits import CHANNELS_MAX, DATAGRAM_BYTES_MAX, LOCAL_DATAGRAM_BYTES_MAX
from askrd.wire.names import check_pattern, shown

UDP = "udp"
CONNECTION = "connection"
_OF_THE_CONNECTION = frozenset({"unix", "tcp", "tls", "askrs", "ws", "wss", "http", "https"})


class ChannelRule(Body, omit_defaults=False, forbid_unknown_fields=True):
    """One rule of the configuration; the first that fits an event decides.

    Attributes:
        match: pattern of event names.
        via: `udp` or `connection`.
    """

    match: str
    via: str


def check_rule(rule: ChannelRule) -> ChannelRule:
    """Returns ``rule`` when it says something that can be done.

    Raises:
        BadRequest: it does not; the message says what can.
    """
    check_pattern(rule.match)
    if rule.match.startswith("$"):
        raise BadRequest(
            f"{shown(rule.match)}: events of the daemon's own are not emitted by peers"
        )
    if rule.via in _OF_THE_CONNECTION:
        raise BadRequest(
            f"via = {shown(rule.via)}: a peer has one connection for all it says, and chooses it by "
            f"itself: the unix socket, then tcp, then ws. A rule says '{UDP}' or '{CONNECTION}'"
        )
    if rule.via not in {UDP, CONNECTION}:
        raise BadRequest(f"via = {shown(rule.via)}: a rule says '{UDP}' or '{CONNECTION}'")
    return rule


def check_rules(rules: Sequence[ChannelRule], listen: Iterable[ListenAddress]) -> None:
    """Returns when the daemon that listens there can offer what the rules say.

    Raises:
        BadRequest: it takes no datagrams, or there are too many rules.
    """
    addresses = list(listen)
    wanted = next((rule for rule in rules if rule.via == UDP), None)
    if wanted is not None and not any(address.kind == "udp" for address in addresses):
        raise BadRequest(
            f"[[channel]] has {shown(wanted.match)} go via udp, and there is no address for it: "
            "listen on one too, such as udp://127.0.0.1:8800"
        )
    if (count := len(offered(rules, addresses))) > CHANNELS_MAX:
        raise BadRequest(
            f"[[channel]]: rules times udp addresses make {count}; at most {CHANNELS_MAX} are told"
        )


def offered(rules: Iterable[ChannelRule], listen: Iterable[ListenAddress]) -> list[Channel]:
    """Returns what a welcome tells: each rule in order, one of `udp` for every address.

    Args:
        rules: of the configuration.
        listen: where the daemon listens, with real port numbers.
    """
    urls = [address.url for address in listen if address.kind == "udp"]
    return [
        Channel(match=rule.match, via=rule.via, url=url)
        for rule in rules
        for url in (urls if rule.via == UDP else [""])
    ]


def datagram_bytes_max(*, is_local: bool) -> int:
    """Returns how long a datagram may be.

    Args:
        is_local: whether it stays on this machine.
    """
    return LOCAL_DATAGRAM_BYTES_MAX if is_local else DATAGRAM_BYTES_MAX
