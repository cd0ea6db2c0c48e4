"""Which way an event takes: the connection, or a datagram where the daemon prefers that.

The daemon says in its welcome what it prefers, by pattern; the first that fits decides. Only
plain events go so, and only when they can: every other one takes the connection.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace

from askrd.sdk.datagrams import Datagrams
from askrd.sdk.errors import CannotConnect
from askrd.wire.addresses import DaemonAddress, ListenAddress, parse_listen
from askrd.wire.bodies import Channel
from askrd.wire.channels import UDP
from askrd.wire.errors import BadRequest
from askrd.wire.names import check_pattern, pattern_matches

LOG = logging.getLogger("askrd.sdk")
SUBJECTS_MAX = 1024
"""Names of events whose way is remembered."""
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # it is replaced, not bound to


class Channels:
    """The ways beside one connection.

    Attributes:
        is_any: whether there is one.
    """

    __slots__ = ("_known", "_rules", "_told", "_ways", "is_any")

    def __init__(
        self, channels: Iterable[Channel], address: DaemonAddress, peer_host: str = ""
    ) -> None:
        """Takes in what the daemon prefers, as far as it can be had.

        Args:
            channels: of the welcome.
            address: where the connection leads.
            peer_host: the IP address at its other end; empty for none.
        """
        self._ways: dict[str, Datagrams] = {}
        self._known: dict[str, Channel | None] = {}
        self._told: set[str] = set()
        self._rules = [rule for rule in channels if self._is_there(rule, address, peer_host)]
        self.is_any = bool(self._ways)

    def end(self) -> None:
        """Lets every way go; events take the connection."""
        self.is_any = False
        for way in self._ways.values():
            way.close()
        self._ways.clear()
        self._rules.clear()
        self._known.clear()
        self._told.clear()

    def take(self, subject: str, frame: bytes) -> bool:
        """Sends an event another way, where one is preferred; says whether it did.

        Args:
            subject: its name.
            frame: the whole plain event.
        """
        rule = self._rule_of(subject)
        if rule is None or rule.via != UDP:
            return False
        way = self._ways[rule.url]
        if len(frame) > way.bytes_max:
            self._tell_once(
                f"{rule.match} too large",
                f"{subject} has {len(frame)} bytes, a datagram at most {way.bytes_max}: "
                "it goes over the connection",
            )
            return False
        self._tell_once(
            f"{rule.match} {rule.url}",
            f"events that fit {rule.match} go in datagrams to {rule.url}; they may be lost",
        )
        try:
            return way.send(frame)
        except CannotConnect as exc:
            LOG.warning("%s (%s): events go over the connection", rule.url, exc.reason)
            self._give_up(rule.url)
            return False

    def _rule_of(self, subject: str) -> Channel | None:
        known = self._known
        if subject in known:
            return known[subject]
        if len(known) >= SUBJECTS_MAX:
            known.clear()
        rules = self._rules
        found = next((rule for rule in rules if pattern_matches(rule.match, subject)), None)
        known[subject] = found
        return found

    def _is_there(self, rule: Channel, address: DaemonAddress, peer_host: str) -> bool:
        """Says whether a rule can be followed here; its way is open then."""
        try:
            check_pattern(rule.match)
            if rule.via != UDP or rule.url in self._ways:
                return True
            way = reached(parse_listen(rule.url), address, peer_host)
            if way is None:
                LOG.debug("%s via %s cannot be used from here", rule.match, rule.url)
                return False
            self._ways[rule.url] = Datagrams(way, may_look_up=False)
        except (BadRequest, CannotConnect) as exc:
            LOG.debug("%s via %s cannot be used: %s", rule.match, rule.via, exc)
            return False
        return True

    def _give_up(self, url: str) -> None:
        self._ways.pop(url).close()
        self._rules = [rule for rule in self._rules if rule.url != url]
        self._known.clear()
        self.is_any = bool(self._ways)

    def _tell_once(self, what: str, sentence: str) -> None:
        if what not in self._told:
            self._told.add(what)
            LOG.debug("%s", sentence)


def reached(way: ListenAddress, address: DaemonAddress, peer_host: str) -> ListenAddress | None:
    """Returns where datagrams go, seen from who is connected to ``address``; None = nowhere.

    An encrypted connection has none: what it says is not for everybody on the way. An address of
    the daemon's own machine is only good on that machine.
    """
    if address.is_tls or way.kind != "udp":
        return None
    if way.host in _ANY_HOST:
        return replace(way, host=peer_host or _ANY_HOST[way.host])
    return way if address.is_local or not way.is_local else None
