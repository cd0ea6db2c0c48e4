"""Holds the grammar of names; tests/vectors/names.json has the many small cases."""

from collections.abc import Callable

import pytest

from askrd.wire import names
from askrd.wire.errors import BadRequest
from askrd.wire.names import (
    Address,
    check_command,
    check_key,
    check_pattern,
    check_prefix,
    check_subject,
    check_word,
    check_workspace,
    nearest,
    parse_address,
    pattern_matches,
    prefix_matches,
    segment_matches,
    shown,
)

RED = "\x1b[31mred"


def check_service(text: str) -> str:
    return check_word(text, "service")


def parse_tag_value(text: str) -> Address:
    return parse_address(f"agent@{{zone={text}}}.fetch")


def parse_instance(text: str) -> Address:
    return parse_address(f"agent@{text}.fetch")


def parse_dollar(text: str) -> Address:
    return parse_address(f"${text}.fetch")


# --- foreign text in messages --------------------------------------------------------------------


def test_foreign_text_is_shown_without_control_characters() -> None:
    assert shown(RED) == r"'\x1b[31mred'"
    assert shown("a\nb\x00\u202e\ud800") == r"'a\nb\x00\u202e\ud800'"
    assert shown("grün 🌍") == "'grün 🌍'"


def test_foreign_text_is_shown_short() -> None:
    assert shown("x" * 80) == "'" + "x" * 80 + "'"
    assert shown("x" * 1_000_000) == "'" + "x" * 80 + "…'"


@pytest.mark.parametrize(
    "check",
    [
        check_workspace,
        check_service,
        check_command,
        parse_address,
        parse_tag_value,
        parse_instance,
        parse_dollar,
        check_subject,
        check_pattern,
        check_key,
        check_prefix,
    ],
)
@pytest.mark.parametrize(
    "text", [RED, "a\x00b", "a\nb", "a\ud800", "x\u202ey", " ", "x" * 10_000], ids=ascii
)
def test_a_hostile_name_is_refused_and_cannot_drive_a_terminal(
    check: Callable[[str], object], text: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        check(text)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


# --- plain names ---------------------------------------------------------------------------------


def test_global_is_an_alias_of_the_default_workspace() -> None:
    assert check_workspace("global") == names.WORKSPACE_DEFAULT == check_workspace("askr")
    assert check_workspace("lab-2") == "lab-2"


@pytest.mark.parametrize(
    ("check", "text", "said"),
    [
        (check_workspace, "Lab", "'Lab' is not a workspace name: 1 to 63"),
        (check_service, "a.b", "'a.b' is no service name: 1 to 64"),
        (check_command, "a..b", r"'a\.\.b' is not a command name: words of"),
        (check_command, ".".join(["abcd"] * 41), "is not a command name.*at most 200 bytes"),
        (check_subject, "", "an event's name is empty; an example"),
        (check_subject, "a b", "has no white space or control characters"),
        (check_subject, "ü" * 101, "an event's name has at most 200 bytes"),
        (check_subject, "a..b", "has an empty segment between dots"),
        (check_subject, "a.*", "has no '\\*'; wildcards are for listening"),
        (check_subject, "$askr.x", "are the daemon's own"),
        (check_pattern, "", "a pattern is empty"),
        (check_pattern, "a.**.b", "'\\*\\*' may only be the last segment"),
        (check_pattern, "a.b**", "'\\*\\*' is a segment of its own"),
        (check_key, "", "a state key is empty; an example"),
        (check_key, "k" * 513, "a state key has at most 512 bytes"),
        (check_key, "a b", "a state key has no white space"),
        (check_key, "a//b", "no empty segment between slashes"),
        (check_prefix, "a//", "no empty segment between slashes"),
    ],
)
def test_the_message_says_which_rule_was_broken(
    check: Callable[[str], object], text: str, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        check(text)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (check_service, "a-B_9"),
        (check_command, "cache.clear"),
        (check_subject, "orders.paid"),
        (check_pattern, "orders.*.**"),
        (check_pattern, "$askr.**"),
        (check_key, "@agent/config"),
        (check_prefix, ""),
        (check_prefix, "a/"),
    ],
)
def test_a_good_name_is_given_back(check: Callable[[str], object], text: str) -> None:
    assert check(text) == text


# --- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("fetch", Address(None, "fetch")),
        (".cache.clear", Address(None, "cache.clear")),
        ("agent.cache.clear", Address("agent", "cache.clear")),
        ("$askr.peers", Address("$askr", "peers")),
        ("agent@a.x.y", Address("agent", "x.y", instances=("a",))),
        ("agent@a,b.x", Address("agent", "x", instances=("a", "b"))),
        ("agent@*.x", Address("agent", "x", everyone=True)),
        ("*@*.x.y", Address("*", "x.y", everyone=True)),
        ("agent@{a=1,b=2}.x", Address("agent", "x", tags=(("a", "1"), ("b", "2")))),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "is_survey"),
    [("a.x", False), ("a@i.x", False), ("a@{t=1}.x", False), ("a@i,j.x", True), ("a@*.x", True)],
)
def test_an_address_knows_whether_it_asks_several(text: str, is_survey: bool) -> None:
    assert parse_address(text).is_survey is is_survey


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a" * 201, "an address has at most 200 bytes"),
        ("$other.x", r"names with \$ are the daemon's; it offers \$askr"),
        ("a@b", "a selector is followed by .command"),
        ("a@{t=1}", "a tag selector is written @{tag=value}.command"),
        ("a@{t}.x", "a tag selector is a list of tag=value"),
        ("*@a.x", "'\\*' as a service goes with the selector '@\\*' only"),
        ("*@{t=1}.x", "'\\*' as a service goes with the selector '@\\*' only"),
        ("a b@c.x", "'a b' is no service name"),
        ("a@b c.x", "'b c' is no instance name"),
        ("a b.x", "'a b' is no service name"),
        ("a.", "'' is not a command name"),
    ],
)
def test_a_wrong_address_is_refused_with_the_rule(text: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        parse_address(text)


# --- patterns and prefixes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "segment", "fits"),
    [
        ("abc", "abc", True),
        ("abc", "abd", False),
        ("*", "", True),
        ("a*", "a", True),
        ("*a", "ba", True),
        ("a*a", "a", False),
        ("a*c", "abd", False),
        ("a*c", "bbc", False),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "a-c", False),
        ("*b*b*", "b", False),
    ],
)
def test_a_star_stands_for_any_run_inside_a_segment(pattern: str, segment: str, fits: bool) -> None:
    assert segment_matches(pattern, segment) is fits


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.**", "a", True),
        ("a.**", "a.b.c", True),
        ("a.b.**", "a", False),
        ("**", "a.b", True),
        ("**", "$askr.x", False),
        ("*.x", "$askr.x", False),
        ("$askr.*", "$askr.x", True),
    ],
)
def test_a_pattern_fits_whole_subjects(pattern: str, subject: str, fits: bool) -> None:
    assert pattern_matches(pattern, subject) is fits


@pytest.mark.parametrize(
    ("prefix", "key", "covered"),
    [
        ("", "a", True),
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "ab", False),
        ("a/", "a", False),
        ("a/", "a/b", True),
    ],
)
def test_a_prefix_covers_whole_parts(prefix: str, key: str, covered: bool) -> None:
    assert prefix_matches(prefix, key) is covered


# --- suggestions ---------------------------------------------------------------------------------


def test_the_nearest_names_are_suggested_best_first() -> None:
    known = ["fetch", "fetch", "fetched", "store", "fetch_all", "fetches", "watch"]
    assert nearest("fetchd", known) == ["fetched", "fetch", "fetches"]
    assert nearest("zzz", known) == []
    assert nearest("", known) == []


def test_nothing_is_near_to_an_endless_name() -> None:
    assert nearest("a" * 201, ["a" * 201]) == []


def test_only_so_many_known_names_are_compared() -> None:
    seen = []

    def known():
        for number in range(5000):
            seen.append(number)
            yield f"name{number:04}"

    assert nearest("name0007", known())[0] == "name0007"
    assert len(seen) == 1000
