"""node-askr clients, unmodified: events, the connected state, and who may come."""

import json
import socket
from collections.abc import Iterator

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.node_askr_peers import PATIENCE_S, NodeAskrClient, written
from tests.integration.text_peer import TextPeer, TextService

pytestmark = pytest.mark.integration

LARGE = "x" * 61_440


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as process:
        yield process


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[NodeAskrClient]:
    with NodeAskrClient(daemon.port) as made:
        yield made


@pytest.fixture
def service(daemon: DaemonProcess) -> Iterator[TextService]:
    """The service `lab`: echoes, or waits for the test to answer."""
    answers = {"echo": lambda call: {"d": call.get("d")}, "wait": lambda call: None}
    with TextService(daemon.unix_url, "lab", answers) as made:
        yield made


@pytest.fixture
def friend(daemon: DaemonProcess) -> Iterator[TextPeer]:
    """A peer that speaks askr's own text."""
    with TextPeer(daemon.unix_url) as peer:
        yield peer


def heard_by(friend: TextPeer, event: str, payload: object, id_: int = 7) -> int:
    """Emits an event and returns how many hear it."""
    told = friend.ask(k="emit", id=id_, event=event, d=payload)
    assert told["k"] == "emitted", told
    return int(told["receivers"])


def await_listener(friend: TextPeer, client: NodeAskrClient) -> None:
    """Returns once what the client wrote before has been read: its answer says so."""
    assert json.loads(client.send("STATE_REQUEST")).keys() == {"mid"}


# ── events ────────────────────────────────────────────────────────────────────────────────────


def test_a_subscriber_hears_events_with_and_without_payload(
    client: NodeAskrClient, friend: TextPeer
) -> None:
    for _ in range(2):
        client.subscribe("DEPLOYED")
    await_listener(friend, client)
    assert heard_by(friend, "DEPLOYED", {"version": "1.2"}) == 1
    assert client.chunk() == b'{"type":"DEPLOYED","payload":{"version":"1.2"}}'
    friend.say(k="emit", event="DEPLOYED")
    assert client.chunk() == b'{"type":"DEPLOYED"}'


def test_a_one_way_message_is_an_event(client: NodeAskrClient, friend: TextPeer) -> None:
    assert friend.ask(k="sub", id=1, pattern="**")["k"] == "subbed"
    client.say({"type": "handshake", "payload": [{"id": "h:1", "host": "h", "port": 1}]})
    client.say({"type": "NOISE", "payload": {"db": 3}})
    client.say({"type": "SILENCE"})
    loud, quiet = friend.hear(), friend.hear()
    assert (loud["event"], loud["d"]) == ("NOISE", {"db": 3})
    assert loud["from"]["service"] == "node-askr"
    assert (quiet["event"], "d" in quiet) == ("SILENCE", False)


def test_events_wait_while_a_command_has_no_answer(
    client: NodeAskrClient, friend: TextPeer, service: TextService
) -> None:
    client.subscribe("TICK")
    client.write(client.command("wait", {"n": 1}, "m"))
    call = service.wait_for_call()
    for tick in range(3):
        assert heard_by(friend, "TICK", tick, id_=10 + tick) == 1
    service.say(k="reply", id=call["id"], d="done")
    assert client.texts(4) == [
        {"mid": "m", "value": "done"},
        *[{"type": "TICK", "payload": tick} for tick in range(3)],
    ]


def test_of_too_many_waiting_events_the_oldest_are_dropped_and_counted(
    client: NodeAskrClient, friend: TextPeer, service: TextService
) -> None:
    client.subscribe("FLOOD")
    client.write(client.command("wait", {"n": 1}, "m"))
    call = service.wait_for_call()
    for tick in range(1_099):
        friend.say(k="emit", event="FLOOD", d=tick)
    assert heard_by(friend, "FLOOD", 1_099) == 1
    stats = friend.ask(k="call", id=9, to="$askr.stats")["d"]
    (row,) = [peer for peer in stats["peers"] if peer["via"] == "tcp+node-askr"]
    assert row["dropped"] == 100
    service.say(k="reply", id=call["id"], d="done")
    reply, first = client.texts(2)[:2]
    assert reply == {"mid": "m", "value": "done"}
    assert first == {"type": "FLOOD", "payload": 100}


def test_an_event_that_one_chunk_cannot_hold_is_dropped_and_counted(
    client: NodeAskrClient, friend: TextPeer
) -> None:
    client.subscribe("BIG")
    await_listener(friend, client)
    assert heard_by(friend, "BIG", LARGE) == 1
    assert heard_by(friend, "BIG", "small", id_=8) == 1
    assert client.chunk() == b'{"type":"BIG","payload":"small"}'


# ── connected state ───────────────────────────────────────────────────────────────────────────


def test_the_connected_state_is_the_shared_keys() -> None:
    with DaemonProcess() as own, NodeAskrClient(own.port) as client:
        with TextPeer(own.unix_url) as friend, TextService(own.unix_url, "lab", {}) as service:
            ask = {"signature": "s"}
            assert client.send("STATE_REQUEST", ask, "m") == b'{"mid":"m","value":{}}'
            set_ = client.send("STATE_SET", {"key": "theme", "value": {"dark": True}}, "m")
            assert set_ == b'{"mid":"m","value":true}'
            assert friend.ask(k="get", id=1, key="theme")["d"] == {"dark": True}
            assert friend.ask(k="put", id=2, key="a/b", d=None)["k"] == "ok"
            service.say(k="put", id=2, key="@lab/own", d=1)
            service.wait_for("ok")
            whole = json.loads(client.send("STATE_REQUEST", ask, "m"))
            assert whole == {"mid": "m", "value": {"a/b": None, "theme": {"dark": True}}}
            assert client.send("STATE_REQUEST", {"signature": ""}, "m") == b'{"mid":"m"}'


def test_state_that_cannot_be_written_says_why(client: NodeAskrClient) -> None:
    told = json.loads(client.send("STATE_SET", {"key": "two words", "value": 1}, "m"))
    assert told["error"].startswith("'two words': a state key has no white space")
    told = json.loads(client.send("STATE_SET", {"key": "@lab/own", "value": 1}, "m"))
    assert set(told) == {"mid", "error"}


def test_a_value_that_javascript_leaves_out_deletes_the_key(client: NodeAskrClient) -> None:
    for key in ("gone", "gone", "never"):
        assert client.send("STATE_SET", {"key": key}, "m") == b'{"mid":"m","value":true}'
    client.send("STATE_SET", {"key": "gone", "value": 1})
    client.send("STATE_SET", {"key": "gone"})
    assert "gone" not in client.value("STATE_REQUEST", {"signature": 1})


# ── who it is ─────────────────────────────────────────────────────────────────────────────────


def test_it_is_listed_as_a_legacy_peer(client: NodeAskrClient) -> None:
    (row,) = [row for row in client.value("$askr.peers") if row["name"] == "node-askr"]
    assert (row["kind"], row["via"], row["services"]) == ("legacy", "tcp+node-askr", [])


def test_the_unix_socket_takes_it_too(daemon: DaemonProcess, service: TextService) -> None:
    with socket.socket(socket.AF_UNIX) as plug:
        plug.settimeout(PATIENCE_S)
        plug.connect(str(daemon.socket))
        plug.sendall(written({"workspace": "askr", "mid": 1, "command": "echo", "data": "d"}))
        assert plug.recv(65_536) == b'{"mid":1,"value":"d"}'


def test_it_is_served_on_its_own_machine_only() -> None:
    address = outer_address()
    if address is None:
        pytest.skip("NOT TESTED: this machine has no address but loopback")
    with DaemonProcess("--listen", "ws://0.0.0.0:0", "--insecure") as daemon:
        with NodeAskrClient(daemon.port, host=address) as client:
            told = json.loads(client.send("$askr.peers", mid="m"))
            assert told["error"].startswith("askrd serves node-askr peers on its own machine only")
            assert client.chunk() == b""


def outer_address() -> str | None:
    """Returns an address of this machine that is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        try:
            plug.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(plug.getsockname()[0])
    return None if address.startswith("127.") else address


def test_a_conversation_does_not_change_its_tongue(
    client: NodeAskrClient, friend: TextPeer, service: TextService
) -> None:
    assert client.value("echo", 1) == 1
    client.write(b'{"k":"hello","v":1}\n')
    assert "not understood" in json.loads(client.chunk())["error"]
    assert client.value("echo", 2) == 2
    friend.say(type="X", payload=1)
    assert friend.hear_kind("error")["code"] == "bad_request"
