"""Ways for events in the configuration file: one table each, and what is said about a bad one."""

import tomllib
from pathlib import Path

import pytest

from askrd.config import tables_toml
from tests.unit.askrd.test_config import loaded, refusal

UDP = 'listen = ["ws://127.0.0.1:8800", "udp://127.0.0.1:8800"]\n'
RULE = '[[channel]]\nmatch = "log.*"\nvia = "udp"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "askrd.toml"


def test_rules_keep_their_order_and_are_shown_as_they_stand(file: Path) -> None:
    file.write_text(UDP + '[[channel]]\nmatch = "log.audit"\nvia = "connection"\n' + RULE)
    found = loaded(file=file)
    assert [(rule.match, rule.via) for rule in found.config.channel] == [
        ("log.audit", "connection"),
        ("log.*", "udp"),
    ]
    assert found.origin["channel"] == f"file {file}"
    assert tomllib.loads("\n".join(tables_toml(found.config))) == found.tables
    assert loaded().tables == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (UDP + RULE.replace("via", "vai"), "unknown key `vai` in [channel[0]]. Did you mean: via?"),
        (UDP + RULE.replace("udp", "unix"), "chooses it by itself: the unix socket, then tcp"),
        (UDP + RULE.replace("udp", "carrier"), "'udp' or 'connection' - at `$.channel[0]`"),
        (UDP + RULE.replace("log.*", "a..b"), "empty segment"),
        (UDP + RULE.replace("log.*", "$askr.*"), "not emitted by peers"),
        (UDP + '[[channel]]\nmatch = "a"', "missing required field `via` - at `$.channel[0]`"),
        (RULE, "[[channel]] has 'log.*' go via udp, and there is no address for it"),
        (UDP + RULE.replace("[[channel]]", "[channel]"), "table of its own: [[channel]]"),
        (UDP + RULE.replace("channel", "channels"), "key `channels`. Did you mean: channel?"),
        (UDP + RULE * 65, "make 65; at most 64 are told"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    message = refusal(file=file)
    assert said in message
    assert message.count(str(file)) <= 1


def test_the_connection_needs_no_address_for_datagrams(file: Path) -> None:
    file.write_text(RULE.replace("udp", "connection"))
    assert loaded(file=file).config.channel[0].via == "connection"
