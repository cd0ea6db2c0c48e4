"""The contract about who is asked, for how long, and what everybody is told of comings and goings."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.peers import BinaryPeer
from tests.integration.text_peer import TextPeer, TextService

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as process:
        yield process


@pytest.fixture
def caller(daemon: DaemonProcess) -> Iterator[TextPeer]:
    with TextPeer(daemon.unix_url, "caller") as peer:
        yield peer


def provide(peer: TextPeer, service: str, **command: object) -> None:
    told = peer.ask(k="provide", id=1, service=service, commands=[{"name": "do"} | command])
    assert told["k"] == "provided", told


def test_instances_take_turns_in_the_order_they_joined(
    daemon: DaemonProcess, caller: TextPeer
) -> None:
    with contextlib.ExitStack() as stack:
        instances = []
        for number in range(3):
            answer = {"do": lambda call, number=number: {"d": number}}
            instances.append(stack.enter_context(TextService(daemon.unix_url, "turns", answer)))
        answers = [caller.ask(k="call", id=1, to="turns.do")["d"] for _ in range(9)]
        first = answers[0]
        assert answers == [(first + step) % 3 for step in range(9)]
        caller.ask(k="sub", id=2, pattern="$askr.service.left")
        instances[1].drop()
        assert caller.hear_kind("event")["d"]["instance"] == instances[1].instance
        rest = [caller.ask(k="call", id=1, to="turns.do")["d"] for _ in range(4)]
    assert rest in ([0, 2, 0, 2], [2, 0, 2, 0])


@pytest.mark.parametrize(
    ("own_ms", "asked_ms", "left_ms"), [(0, 0, 30_000), (5_000, 0, 5_000), (5_000, 900, 900)]
)
def test_the_callers_deadline_comes_first_then_the_services_then_30_s(
    daemon: DaemonProcess, caller: TextPeer, own_ms: int, asked_ms: int, left_ms: int
) -> None:
    with TextPeer(daemon.unix_url, "timed") as service:
        provide(service, "timed", **({"timeout_ms": own_ms} if own_ms else {}))
        caller.say(k="call", id=1, to="timed.do", **({"ttl": asked_ms} if asked_ms else {}))
        call = service.hear_kind("call")
        assert left_ms - 500 < call["ttl"] <= left_ms
        service.say(k="reply", id=call["id"])
        assert caller.hear()["k"] == "reply"


def test_a_command_has_one_outcome_and_a_late_reply_is_dropped(
    daemon: DaemonProcess, caller: TextPeer
) -> None:
    with TextPeer(daemon.unix_url, "late") as service:
        provide(service, "late")
        caller.say(k="call", id=1, to="late.do", ttl=50)
        call = service.hear_kind("call")
        assert caller.hear()["code"] == "deadline_exceeded"
        assert service.hear_kind("cancel")["id"] == call["id"]
        service.say(k="reply", id=call["id"], d="too late")
        assert service.ask(k="ping", id=9) == {"k": "pong", "id": 9}
        assert caller.ask(k="ping", id=8) == {"k": "pong", "id": 8}


def test_one_callers_commands_arrive_in_the_order_they_were_sent(
    daemon: DaemonProcess, caller: TextPeer
) -> None:
    with TextPeer(daemon.unix_url, "order") as service:
        provide(service, "order")
        for number in range(1, 301):
            caller.say(k="call", id=number, to="order.do", d=number)
        assert [service.hear_kind("call")["d"] for _ in range(300)] == list(range(1, 301))


def test_one_emitters_events_arrive_in_the_order_they_were_emitted(
    daemon: DaemonProcess, caller: TextPeer
) -> None:
    caller.ask(k="sub", id=1, pattern="order.*")
    caller.ask(k="sub", id=2, pattern="order.**")
    with BinaryPeer(daemon.url, name="emitter") as emitter:
        for number in range(1_000):
            emitter.say("emit", 0, b"order.x", b"%d" % number, coding=1)
        heard = [caller.hear_kind("event") for _ in range(1_000)]
    assert [event["d"] for event in heard] == list(range(1_000))
    seqs = [event["seq"] for event in heard]
    assert seqs == sorted(set(seqs))
    assert {event["sub"] for event in heard} == {1}


def test_comings_changes_and_goings_are_events_the_leave_last(
    daemon: DaemonProcess, caller: TextPeer
) -> None:
    caller.ask(k="sub", id=1, pattern="$askr.**")
    with TextPeer(daemon.unix_url, "guest") as guest:
        provide(guest, "guest")
        more = [{"name": "do"}, {"name": "more"}]
        guest.ask(k="update", id=2, service="guest", commands=more)
    heard = []
    while not heard or heard[-1][0] != "$askr.peer.left":
        event = caller.hear_kind("event")
        assert event["from"]["service"] == "$askr"
        heard.append((event["event"], event["d"]))
    names = [name for name, _ in heard]
    for kind in ("peer", "service"):
        assert names.index(f"$askr.{kind}.joined") < names.index(f"$askr.{kind}.left")
        last = max(i for i, name in enumerate(names) if name.startswith(f"$askr.{kind}."))
        assert names[last] == f"$askr.{kind}.left"
    changed = [row for name, row in heard if name == "$askr.service.changed"]
    assert changed[-1]["commands"] == ["do", "more"]


def test_an_ambiguous_name_lists_its_choices(daemon: DaemonProcess, caller: TextPeer) -> None:
    with (
        TextService(daemon.unix_url, "left", {"same": lambda call: {"d": "left"}}),
        TextService(daemon.unix_url, "right", {"same": lambda call: {"d": "right"}}),
    ):
        told = caller.ask(k="call", id=1, to="same")
        assert (told["code"], sorted(told["details"]["choices"])) == (
            "command_ambiguous",
            ["left.same", "right.same"],
        )
        assert caller.ask(k="call", id=2, to="right.same")["d"] == "right"


def test_a_close_name_is_suggested(daemon: DaemonProcess, caller: TextPeer) -> None:
    with TextService(daemon.unix_url, "store", {"fetch_page": lambda call: {}}):
        bare = caller.ask(k="call", id=1, to="fetch_pgae")
        assert (bare["code"], bare["details"]["nearest"]) == ("command_unknown", ["fetch_page"])
        service = caller.ask(k="call", id=2, to="stroe.fetch_page")
        assert (service["code"], service["details"]["nearest"]) == ("service_unknown", ["store"])


@pytest.mark.parametrize(
    "member",
    [{"queue": True, "upload": True}, {"reply": "perhaps"}, {"mode": "everyone"}, {"policy": "best"},
     {"concurrency": -1}, {"allow_from": ["no such name"]}],
    ids=str,
)  # fmt: skip
def test_a_declaration_that_is_not_carried_out_is_refused(
    caller: TextPeer, member: dict[str, object]
) -> None:
    command = {"name": "do"} | member
    told = caller.ask(k="provide", id=1, service="later", commands=[command])
    assert (told["k"], told["code"]) == ("fail", "bad_request")
    assert next(iter(member)) in told["message"]


def test_everything_works_with_netcat(daemon: DaemonProcess, tmp_path: Path) -> None:
    netcat = shutil.which("nc")
    if (
        netcat is None
        or "-U"
        not in subprocess.run([netcat, "-h"], capture_output=True, text=True, check=False).stderr
    ):
        pytest.skip("needs a netcat that knows unix sockets (Debian: netcat-openbsd)")
    path = daemon.unix_url.removeprefix("unix:")
    (tmp_path / "service.sh").write_text(
        "#!/bin/sh\n"
        """echo '{"k":"hello","v":1,"name":"shell"}'\n"""
        """echo '{"k":"provide","id":1,"service":"shell","commands":[{"name":"hi"}]}'\n"""
        "while read -r line; do case $line in *'\"call\"'*)\n"
        """  id=${line#*'"id":'}; id=${id%%[!0-9]*}\n"""
        """  echo '{"k":"reply","id":'"$id"',"d":"hello"}'\n"""
        """  echo '{"k":"emit","event":"GREETED"}';; esac; done\n""",
        encoding="utf-8",
    )
    line = f"mkfifo pipe && sh service.sh < pipe | {netcat} -U {path} > pipe"
    with TextPeer(daemon.unix_url) as ears:
        ears.ask(k="sub", id=1, pattern="$askr.service.joined")
        with subprocess.Popen(["sh", "-c", line], cwd=tmp_path, start_new_session=True) as shell:
            assert ears.hear_kind("event")["d"]["service"] == "shell"
            ears.ask(k="sub", id=2, pattern="GREETED")
            told = Askr(tmp_path, daemon.unix_url)("send", "shell.hi")
            assert (told.code, told.out) == (0, '"hello"\n')
            assert ears.hear_kind("event")["event"] == "GREETED"
            os.killpg(shell.pid, signal.SIGKILL)
