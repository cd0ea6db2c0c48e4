"""The contract at the sockets: text frames exactly as a shell script would speak them."""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.text_peer import Frame, TextPeer, connected

pytestmark = pytest.mark.integration

Peers = Callable[..., TextPeer]


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as process:
        yield process


@pytest.fixture(params=["unix", "tcp"])
def peers(request: pytest.FixtureRequest, daemon: DaemonProcess) -> Iterator[Peers]:
    """Makes peers that are gone after the test."""
    made: list[TextPeer] = []
    url = daemon.unix_url if request.param == "unix" else daemon.tcp_url

    def peer(name: str = "me", **hello: Any) -> TextPeer:
        made.append(TextPeer(url, name, **hello))
        return made[-1]

    yield peer
    for one in made:
        one.close()


def greeter(peer: TextPeer, service: str = "greet") -> TextPeer:
    told = peer.ask(k="provide", id=1, service=service, commands=[{"name": "hi"}])
    assert told == {"k": "provided", "id": 1, "service": service, "instance": peer.instance}
    return peer


def test_the_first_frame_is_answered_by_welcome(peers: Peers) -> None:
    welcome = peers("me").welcome
    assert welcome["id"] == f"askr-me-{welcome['instance']}"
    assert (welcome["v"], welcome["workspace"]) == (1, "askr")
    assert {"daemon", "epoch", "resume", "version", "limits"} <= set(welcome)


def test_a_call_goes_to_the_instance_and_its_reply_comes_back(peers: Peers) -> None:
    service, caller = greeter(peers("greeter")), peers("caller")
    caller.say(k="call", id=1, to="greet.hi", d={"x": [1, None]}, ttl=5000)
    call = service.hear_kind("call")
    assert (call["to"], call["d"]) == ("greet.hi", {"x": [1, None]})
    assert 4000 < call["ttl"] <= 5000
    assert call["from"] == {"service": "caller", "instance": caller.instance}
    service.say(k="reply", id=call["id"], d="hello")
    assert caller.hear() == {
        "k": "reply",
        "id": 1,
        "d": "hello",
        "from": {"service": "greet", "instance": service.instance},
    }


def test_a_fail_comes_back_with_its_code(peers: Peers) -> None:
    service, caller = greeter(peers("greeter")), peers("caller")
    caller.say(k="call", id=7, to="hi")
    call = service.hear_kind("call")
    service.say(k="fail", id=call["id"], code="page_missing", message="no such page")
    failed = caller.hear_kind("fail")
    assert (failed["id"], failed["code"], failed["message"]) == (7, "page_missing", "no such page")
    assert failed["from"]["service"] == "greet"


def test_bytes_travel_in_base64(peers: Peers) -> None:
    service, caller = greeter(peers("greeter")), peers("caller")
    data = base64.b64encode(bytes(range(256))).decode()
    caller.say(k="call", id=1, to="greet.hi", b=data)
    call = service.hear_kind("call")
    assert call["b"] == data
    assert "d" not in call
    service.say(k="reply", id=call["id"], b=data)
    assert caller.hear_kind("reply")["b"] == data


def test_headers_travel_with_the_call(peers: Peers) -> None:
    service, caller = greeter(peers("greeter")), peers("caller")
    caller.say(k="call", id=1, to="greet.hi", headers={"trace": "abc"})
    assert service.hear_kind("call")["headers"] == {"trace": "abc"}


def test_a_cancel_reaches_both_sides(peers: Peers) -> None:
    service, caller = greeter(peers("greeter")), peers("caller")
    caller.say(k="call", id=1, to="greet.hi")
    call = service.hear_kind("call")
    assert caller.ask(k="cancel", id=1)["code"] == "cancelled"
    assert service.hear() == {"k": "cancel", "id": call["id"], "reason": "caller"}


def test_a_passed_deadline_fails_the_call_and_cancels_it(peers: Peers) -> None:
    service, caller = greeter(peers("greeter")), peers("caller")
    caller.say(k="call", id=1, to="greet.hi", ttl=50)
    call = service.hear_kind("call")
    assert caller.hear_kind("fail")["code"] == "deadline_exceeded"
    assert service.hear() == {"k": "cancel", "id": call["id"], "reason": "deadline"}


def test_an_instance_that_goes_away_fails_its_calls(peers: Peers) -> None:
    service, caller = greeter(peers("greeter")), peers("caller")
    caller.say(k="call", id=1, to="greet.hi")
    service.hear_kind("call")
    service.drop()
    failed = caller.hear_kind("fail")
    assert (failed["code"], failed["at"]) == ("instance_lost", "daemon")
    assert failed["details"]["delivered"] in {"yes", "unknown"}


def test_an_event_reaches_who_listens(peers: Peers) -> None:
    listener, emitter = peers("ears"), peers("mouth")
    assert listener.ask(k="sub", id=2, pattern="FETCHED_*") == {"k": "subbed", "id": 2}
    emitter.say(k="emit", event="FETCHED_TIME", d=42)
    event = listener.hear_kind("event")
    assert isinstance(event.pop("seq"), int)
    assert event.pop("ts") > 1_700_000_000_000
    assert event == {
        "k": "event",
        "sub": 2,
        "event": "FETCHED_TIME",
        "d": 42,
        "from": {"service": "mouth", "instance": emitter.instance},
    }


def test_an_emit_with_an_id_is_confirmed(peers: Peers) -> None:
    listener, emitter = peers("ears"), peers("mouth")
    listener.ask(k="sub", id=2, pattern="X")
    told = emitter.ask(k="emit", id=5, event="X")
    assert (told["k"], told["id"], told["receivers"]) == ("emitted", 5, 1)
    assert listener.hear_kind("event")["seq"] == told["seq"]


def test_after_unsub_nothing_comes(peers: Peers) -> None:
    listener, emitter = peers("ears"), peers("mouth")
    listener.ask(k="sub", id=2, pattern="X")
    listener.say(k="unsub", id=2)
    assert listener.ask(k="ping", id=9)["k"] == "pong"
    assert emitter.ask(k="emit", id=5, event="X")["receivers"] == 0


def test_a_ping_is_answered_with_its_id(peers: Peers) -> None:
    assert peers().ask(k="ping", id=77) == {"k": "pong", "id": 77}


def test_a_bye_closes(peers: Peers) -> None:
    peer = peers()
    peer.say(k="bye")
    with pytest.raises(ConnectionError):
        peer.hear()


@pytest.mark.parametrize(
    ("line", "kind", "code"),
    [
        (b'{"k":"nonsense","id":4}', "error", "unknown_kind"),
        (b'{"k":"call","id":4,"to":"a b"}', "fail", "bad_request"),
        (b'{"k":"call","id":4,"to":"x","d":NaN}', "error", "bad_request"),
        (b'{"k":"call","id":4,"to":"x","d":1,"d":2}', "error", "bad_request"),
        (b'{"k":"call","id":4,"to":"x","d":"\xff"}', "error", "bad_request"),
        (b'{"k":"call","id":4,"to":"x","d":"\\ud800"}', "error", "bad_request"),
        (b'{"k":"call","id":9007199254740992,"to":"x"}', "error", "bad_request"),
        (b'{"k":"call","id":4,"to":"x","d":' + b"[" * 100_000 + b"}", "error", "bad_request"),
        (b"not json", "error", "bad_request"),
        (b'{"k":"reply","id":4,"d":1}', "error", "bad_request"),
        (b'{"k":"sub","id":4,"pattern":"a.**.b"}', "fail", "bad_request"),
        (b'{"k":"emit","id":4,"event":"a b"}', "fail", "bad_request"),
    ],
)
def test_bad_input_is_answered_and_the_connection_stays(
    peers: Peers, line: bytes, kind: str, code: str
) -> None:
    peer = peers()
    peer.say_bytes(line + b"\n")
    told = peer.hear()
    assert (told["k"], told["code"]) == (kind, code)
    assert peer.ask(k="ping", id=1) == {"k": "pong", "id": 1}


def test_a_second_use_of_an_id_is_refused_and_the_first_is_unaffected(peers: Peers) -> None:
    service, caller = greeter(peers("greeter")), peers("caller")
    caller.say(k="call", id=1, to="greet.hi")
    call = service.hear_kind("call")
    told = caller.ask(k="call", id=1, to="greet.hi")
    assert (told["k"], told["code"]) == ("error", "bad_request")
    service.say(k="reply", id=call["id"], d=1)
    assert caller.hear_kind("reply")["d"] == 1


def test_a_frame_may_arrive_byte_by_byte(daemon: DaemonProcess) -> None:
    with connected(daemon.tcp_url) as bare:
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b'{"k":"hello","v":1,"name":"me"}\n':
            bare.sendall(bytes([byte]))
        assert json.loads(bare.makefile().readline())["k"] == "welcome"


def test_one_way_talkers_still_get_their_outcome(daemon: DaemonProcess) -> None:
    with connected(daemon.unix_url) as bare:
        bare.sendall(b'{"k":"hello","v":1,"name":"nc"}\n{"k":"call","id":1,"to":"$askr.ping"}\n')
        bare.shutdown(socket.SHUT_WR)
        kinds = [json.loads(line)["k"] for line in bare.makefile()]
        assert kinds[:2] == ["welcome", "reply"]


@pytest.mark.parametrize("subprotocols", [None, ["askr.1.json"]])
def test_a_websocket_speaks_text_too(daemon: DaemonProcess, subprotocols: Any) -> None:
    with connect(daemon.url, subprotocols=subprotocols, compression=None) as socket_:

        def ask(**frame: Any) -> Frame:
            socket_.send(json.dumps(frame))
            told: Frame = json.loads(socket_.recv(10))
            return told

        assert ask(k="hello", v=1, name="me")["k"] == "welcome"
        told = ask(k="call", id=1, to="$askr.ping")
        assert told["d"]["protocol"] == "askr/1"


def test_state_is_read_and_written_in_text(peers: Peers) -> None:
    peer = peers()
    key = f"text/{peer.instance}"
    put = peer.ask(k="put", id=3, key=key, d="dark", if_rev=0)
    assert (put["k"], put["id"], put["key"], put["changed"]) == ("ok", 3, key, True)
    got = peer.ask(k="get", id=4, key=key)
    assert (got["d"], got["rev"]) == ("dark", put["rev"])
    refused = peer.ask(k="put", id=5, key=key, d=1, if_rev=0)
    assert (refused["code"], refused["details"]["rev"]) == ("conflict", put["rev"])
    assert peer.ask(k="del", id=6, key=key)["k"] == "ok"
    assert peer.ask(k="get", id=7, key=key)["code"] == "not_found"


@pytest.mark.parametrize(
    "frame",
    [
        {"k": "sub", "pattern": "X", "retain": True},
        {"k": "sub", "pattern": "X", "group": "g", "since": 1},
        {"k": "emit", "event": "X", "group": "g"},
        {"k": "emit", "event": "X", "ephemeral": True},
        {"k": "watch", "prefix": "a", "retain": True},
        {"k": "provide", "service": "s", "replaces": "abcdef"},
    ],
    ids=str,
)
def test_an_option_that_means_nothing_there_is_refused_in_text_too(
    frame: dict[str, object],
) -> None:
    with DaemonProcess() as daemon, TextPeer(daemon.unix_url) as peer:
        assert peer.ask(id=1, **frame).get("code") == "bad_request"
