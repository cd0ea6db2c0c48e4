"""What a welcome tells of the ways for events."""

from askrd.wire.addresses import parse_listen
from askrd.wire.channels import ChannelRule, datagram_bytes_max, offered


def test_a_rule_for_datagrams_is_told_once_for_each_address_that_takes_them() -> None:
    rules = [ChannelRule(match="a", via="connection"), ChannelRule(match="**", via="udp")]
    listen = [parse_listen(url) for url in ("ws://h:1", "udp://127.0.0.1:1", "udp://10.0.0.5:1")]
    told = [(channel.match, channel.via, channel.url) for channel in offered(rules, listen)]
    assert told == [
        ("a", "connection", ""),
        ("**", "udp", "udp://127.0.0.1:1"),
        ("**", "udp", "udp://10.0.0.5:1"),
    ]


def test_without_an_address_for_datagrams_there_is_no_way_of_that_kind() -> None:
    assert offered([ChannelRule(match="**", via="udp")], [parse_listen("ws://h:1")]) == []


def test_a_datagram_is_shorter_where_it_leaves_the_machine() -> None:
    assert datagram_bytes_max(is_local=False) < datagram_bytes_max(is_local=True)
