"""Holds the opening of a conversation: the choice of a version and what a hello may say."""

import pytest

from askrd.wire.errors import BadRequest, Unauthenticated, VersionUnsupported
from askrd.wire.handshake import PEER_KINDS, VERSIONS, Opening, choose_version, read_hello


def test_the_best_common_version_is_chosen() -> None:
    assert VERSIONS == (1,)
    assert choose_version([1]) == 1
    assert choose_version([0, 2, 1, 99]) == 1


def test_without_a_common_version_both_sides_are_named() -> None:
    with pytest.raises(VersionUnsupported) as caught:
        choose_version([2, 3])
    assert caught.value.details == {"offered": [2, 3], "supported": [1]}
    assert "speaks askr/1 and was offered [2, 3]; use a client" in caught.value.message


def test_absurd_versions_are_not_repeated() -> None:
    with pytest.raises(VersionUnsupported) as caught:
        choose_version([-1, 2**62, 10**4000, *range(2, 40)])
    assert caught.value.details["offered"] == list(range(2, 18))
    with pytest.raises(VersionUnsupported, match="was offered no version"):
        choose_version([])


def test_a_hello_with_everything_is_understood() -> None:
    assert read_hello(
        b'{"v":[2,1],"name":"me","kind":"service","workspace":"global","method":"none",'
        b'"instance":"k3Tz9a","resume":"secret","roster":true,"software":"x","streams":true,'
        b'"resumable":true,"received":9,"link":true}'
    ) == Opening(
        version=1,
        name="me",
        kind="service",
        workspace="askr",
        instance="k3Tz9a",
        resume="secret",
        roster=True,
        streams=True,
        resumable=True,
        received=9,
        link=True,
    )


def test_a_hello_without_anything_has_defaults() -> None:
    assert read_hello(b'{"v":1}') == Opening(
        version=1,
        name="peer",
        kind="",
        workspace="",
        instance="",
        resume="",
        roster=False,
        streams=False,
        resumable=False,
        received=-1,
        link=False,
    )


@pytest.mark.parametrize("kind", PEER_KINDS)
def test_a_peer_may_say_what_it_is(kind: str) -> None:
    assert read_hello(b'{"v":1,"kind":"%b"}' % kind.encode()).kind == kind


def test_a_method_nobody_knows_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(Unauthenticated) as caught:
        read_hello(b'{"v":1,"method":"password"}')
    assert caught.value.details == {"methods": ["none"]}


@pytest.mark.parametrize(
    ("hello", "said"),
    [
        (b"{}", "hello: Object missing required field `v`"),
        (b'{"v":"1"}', "hello: Expected"),
        (b'{"v":1,"kind":"boss"}', "kind is one of service, terminal"),
        (b'{"v":1,"name":"a b"}', "'a b' is no peer name: 1 to 64"),
        (b'{"v":1,"workspace":"A"}', "'A' is not a workspace name"),
        (b'{"v":1,"instance":"a@b"}', "'a@b' is no instance name: 1 to 64"),
    ],
)
def test_a_wrong_hello_is_refused_with_the_reason(hello: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        read_hello(hello)
