"""node-askr clients, unmodified: what they write and read, byte for byte, against a real daemon."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import ROOT, AgentProcess
from tests.integration.node_askr_peers import NodeAskrClient, written
from tests.integration.text_peer import TextService

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
DEMO = HERE / "node_askr_demo.js"
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
    """The service `lab`: echoes, says nothing, says much, fails, or waits for the test to answer."""
    answers = {
        "echo": lambda call: {"d": call.get("d")},
        "nothing": lambda call: {},
        "bytes": lambda call: {"b": "aGk="},
        "large": lambda call: {"d": LARGE},
        "fail": lambda call: {"k": "fail", "code": "boom", "message": "it went “wrong”\n"},
        "wait": lambda call: None,
    }
    with TextService(daemon.unix_url, "lab", answers) as made:
        yield made


# ── the README's demo ─────────────────────────────────────────────────────────────────────────


@pytest.mark.timeout(60)
def test_the_demo_of_node_askr_runs_against_the_python_agent(daemon: DaemonProcess) -> None:
    with AgentProcess(ROOT / "examples/time_agent.py", daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")
        with NodeAskrClient(daemon.port) as client:
            fetched = client.send("fetch", mid="k3tz9ajq2m0x7wq1b5yv8d")
            beginning = b'{"mid":"k3tz9ajq2m0x7wq1b5yv8d","value":{"type":"FETCHED_TIME","payload":'
            assert fetched.startswith(beginning)
            assert fetched.endswith(b"}}")
            client.subscribe("FETCHED_TIME")
            assert client.send("start", mid="m2") == b'{"mid":"m2"}'
            for _ in range(2):
                event = client.chunk()
                assert event.startswith(b'{"type":"FETCHED_TIME","payload":1')
                assert json.loads(event).keys() == {"type", "payload"}
            assert client.send("stop", mid="m3") == b'{"mid":"m3"}'


@pytest.mark.timeout(60)
def test_a_node_script_with_plain_net_plays_the_demo(daemon: DaemonProcess) -> None:
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        pytest.skip("NOT TESTED: no node here; install Debian's nodejs")
    with AgentProcess(ROOT / "examples/time_agent.py", daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")
        done = subprocess.run(
            [node, str(DEMO), str(daemon.port)],
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "FETCH mid1 FETCHED_TIME number",
        "ERROR Command's callback for nothing not found",
        'START {"mid":"mid3"}',
        *["EVENT FETCHED_TIME number"] * 3,
        'STOP {"mid":"mid4"}',
    ]


# ── commands ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["nope", "lab.nope", "who.fetch", "my command", "x" * 300])
def test_an_unknown_command_gets_the_error_of_node_askr(
    client: NodeAskrClient, service: TextService, name: str
) -> None:
    expected = {"mid": "m", "error": f"Command's callback for {name} not found"}
    assert client.send(name, mid="m") == written(expected)


@pytest.mark.parametrize("mid", ["m", 17, 1.5, True, ["a", {"b": 1}], {"n": None}, "ä\u2028"])
def test_the_mid_comes_back_whatever_it_is(
    client: NodeAskrClient, service: TextService, mid: object
) -> None:
    assert client.send("echo", {"a": [1, "u"]}, mid) == written(
        {"mid": mid, "value": {"a": [1, "u"]}}
    )


def test_values_of_every_kind_come_back(client: NodeAskrClient, service: TextService) -> None:
    for value in ({"a": None}, ["x"], "text", 5, True):
        assert client.value("echo", value) == value
    assert client.send("nothing", mid="m") == b'{"mid":"m"}'
    assert client.send("bytes", mid="m") == b'{"mid":"m","value":"aGk="}'
    assert client.send("lab.echo", {"n": 1}, mid="m") == b'{"mid":"m","value":{"n":1}}'


def test_the_error_of_a_handler_is_its_message(
    client: NodeAskrClient, service: TextService
) -> None:
    expected = {"mid": "m", "error": "it went “wrong”\n"}
    assert client.send("fail", mid="m") == written(expected)


@pytest.mark.parametrize("gone", ["workspace", "command", "data"])
def test_a_command_needs_all_four_members(
    client: NodeAskrClient, service: TextService, gone: str
) -> None:
    whole = {"workspace": "askr", "mid": "m1", "command": "echo", "data": {}}
    for falsy in ({}, {gone: None}, {gone: 0}, {gone: ""}, {gone: False}):
        client.say({k: v for k, v in whole.items() if k != gone} | falsy)
    assert client.send("echo", {"n": 1}, mid="m2") == b'{"mid":"m2","value":{"n":1}}'


def test_both_names_of_the_workspace_and_any_other_are_the_default_one(
    client: NodeAskrClient, service: TextService
) -> None:
    for workspace in ("askr", "global", "theirs"):
        client.say({"workspace": workspace, "mid": "m", "command": "echo", "data": "d"})
        assert client.chunk() == b'{"mid":"m","value":"d"}'


def test_an_answer_that_one_chunk_cannot_hold_is_refused(
    client: NodeAskrClient, service: TextService
) -> None:
    told = json.loads(client.send("large", mid="m"))
    assert told.keys() == {"mid", "error"}
    assert "'large' takes 61462 bytes, more than the 61440" in told["error"]
    assert client.value("echo", "x" * 61_000) == "x" * 61_000


def test_commands_that_arrive_glued_are_answered_in_chunks_of_their_own(
    client: NodeAskrClient, service: TextService
) -> None:
    both = client.command("echo", 1, "a") + b" \n" + client.command("nope", 1, "b")
    client.write(both + client.command("echo", "}{", "c"))
    told = {json.dumps(one["mid"]): one for one in client.texts(3)}
    assert told == {
        '"a"': {"mid": "a", "value": 1},
        '"b"': {"mid": "b", "error": "Command's callback for nope not found"},
        '"c"': {"mid": "c", "value": "}{"},
    }


def test_many_commands_at_once_are_all_answered(
    client: NodeAskrClient, service: TextService
) -> None:
    count = 2_000
    client.write(
        b"".join(client.command("echo", number + 1, number + 1) for number in range(count))
    )
    told = client.texts(count)
    assert sorted(one["mid"] for one in told) == list(range(1, count + 1))
    assert all(one["value"] == one["mid"] for one in told)


def test_a_command_may_arrive_byte_by_byte(client: NodeAskrClient, service: TextService) -> None:
    for byte in client.command("echo", {"text": 'a{"}\\"'}, "first"):
        client.write(bytes([byte]))
    assert client.chunk() == written({"mid": "first", "value": {"text": 'a{"}\\"'}})


def test_a_large_command_may_be_the_first_and_arrive_in_pieces(
    client: NodeAskrClient, daemon: DaemonProcess
) -> None:
    size = lambda call: {"d": len(call["d"])}  # noqa: E731
    with TextService(daemon.unix_url, "scale", {"weigh": size}):
        assert client.value("weigh", "x" * 900_000) == 900_000


@pytest.mark.parametrize(
    "garbage", [b"\x00\xff", b"hello", b"]", b'{"a":1]}', b'{"a":"\n"}', b'{"a']
)
def test_garbage_is_dropped_and_the_connection_stays(
    client: NodeAskrClient, service: TextService, garbage: bytes
) -> None:
    assert client.value("echo", 1) == 1
    client.write(garbage)
    await_read(client)
    assert client.value("echo", 2) == 2


def await_read(client: NodeAskrClient) -> None:
    """Returns once the daemon has read what was written: what comes next is another chunk."""
    with NodeAskrClient(client.socket.getpeername()[1]) as other:
        for _ in range(3):
            other.send("STATE_REQUEST")


def test_bad_json_under_a_mid_is_answered(client: NodeAskrClient, service: TextService) -> None:
    client.say({"type": "handshake", "payload": []})
    client.write(b'{"workspace":"askr","mid":"m","command":"echo","data":{"a":1,"a":2}}')
    assert json.loads(client.chunk()) == {
        "mid": "m",
        "error": "not strict JSON: the key 'a' stands twice in an object",
    }


def test_a_command_above_a_mebibyte_is_refused_and_the_next_one_served(
    client: NodeAskrClient, service: TextService
) -> None:
    client.say({"type": "handshake", "payload": []})
    inner = client.command("echo", 1, "inner").decode()
    client.write(client.command("echo", {"text": "x" * 2**20, "not": [inner]}, "m"))
    told = json.loads(client.chunk())
    assert told["mid"] == "m"
    assert told["error"].endswith("is above the limit of 1048576; nothing was done")
    assert client.value("echo", 3) == 3


def test_what_neither_tongue_knows_is_told_so(client: NodeAskrClient) -> None:
    client.say({"hello": "you"})
    assert "not understood" in json.loads(client.chunk())["error"]


def test_a_peer_that_sends_no_more_still_gets_its_answer(
    client: NodeAskrClient, service: TextService
) -> None:
    client.write(client.command("echo", 5, "m"))
    client.socket.shutdown(socket.SHUT_WR)
    assert client.chunk() == b'{"mid":"m","value":5}'
    assert client.chunk() == b""
