"""Black box: `askr send` with streams: items down, an upload up, both, and what ends them early."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import AgentProcess
from tests.integration.cli.program import PATIENCE_S, Askr

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).with_name("stream_agent.py")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def agent(
    daemon: DaemonProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentProcess]:
    environ = os.environ | {"ASKR_URL": daemon.unix_url}
    home = tmp_path_factory.mktemp("home")
    with AgentProcess(SCRIPT, environ) as process:
        told = Askr(home, daemon.unix_url)(
            "send", "lab.size", "--raw-payload", str(SCRIPT), "--wait", "20s"
        )
        assert told.code == 0, told
        yield process


@pytest.fixture
def askr(daemon: DaemonProcess, agent: AgentProcess, tmp_path: Path) -> Askr:
    """Runs `askr` against the daemon with the service."""
    return Askr(tmp_path, daemon.unix_url)


def test_items_are_printed_one_a_line(askr: Askr) -> None:
    told = askr("send", "lab.count", "to:=300", "--stream")
    assert (told.code, told.err) == (0, "")
    assert told.out == "".join(f"{number}\n" for number in range(1, 301))


def test_every_kind_of_item_is_one_safe_line(askr: Askr) -> None:
    told = askr("send", "lab.mixed", "--stream")
    assert told.code == 0
    assert told.out.splitlines() == [
        "1", r'"two\u001b[2J"', "null", '{"a":[3]}', '{"b":"AP8="}',
    ]  # fmt: skip


def test_items_for_programs_end_with_the_whole_answer(askr: Askr) -> None:
    told = askr("send", "lab.count", "to:=2", "--stream", "--json")
    first, second, last = told.lines
    assert (told.code, first, second) == (0, {"item": 1}, {"item": 2})
    assert (last["ok"], last["target"], last["value"]) == (True, "lab.count", None)
    assert last["from"]["service"] == "lab"


def test_without_stream_the_items_are_one_list(askr: Askr) -> None:
    assert askr("send", "lab.count", "to:=3").out == "[1,2,3]\n"


def test_a_stream_that_fails_printed_what_came_before(askr: Askr) -> None:
    told = askr("send", "lab.broken", "--stream", "--json")
    first, second, last = told.lines
    assert (told.code, first, second) == (6, {"item": 1}, {"item": 2})
    assert (last["ok"], last["error"]["code"]) == (False, "page_missing")
    assert "no such page" in told.err


def test_a_value_is_no_stream(askr: Askr) -> None:
    told = askr("send", "lab.size", "--stream", "--json")
    assert (told.code, told.json["error"]["code"]) == (3, "bad_request")


def test_a_reader_that_leaves_ends_the_stream_quietly(askr: Askr, agent: AgentProcess) -> None:
    with askr.running("send", "lab.endless", "--stream") as run:
        assert run.line() == "1\n"
        assert run.process.stdout is not None
        run.process.stdout.close()
        assert run.process.wait(PATIENCE_S) == 0
    agent.wait_until_it_says("endless ended")
    assert run._narration == b""


def test_a_reader_that_leaves_is_noticed_while_nothing_comes(
    askr: Askr, agent: AgentProcess
) -> None:
    agent.said = ""
    with askr.running("send", "lab.silent", "--stream") as run:
        assert run.line() == "1\n"
        assert run.process.stdout is not None
        run.process.stdout.close()
        assert run.process.wait(PATIENCE_S) == 0
    agent.wait_until_it_says("silent ended")
    assert run._narration == b""


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_stream_at_its_handler(
    askr: Askr, agent: AgentProcess, sign: int, code: int
) -> None:
    agent.said = ""
    with askr.running("send", "lab.silent", "--stream") as run:
        assert run.line() == "1\n"
        ended = run.stop(sign)
    assert ended.code == code
    agent.wait_until_it_says("silent ended")
    assert "Traceback" not in ended.err


def test_a_file_is_uploaded_whole(askr: Askr) -> None:
    data = os.urandom(3 * MIB + 5)
    (askr.cwd / "data").write_bytes(data)
    told = askr("send", "lab.put", "name=x", "--in", "data")
    assert told.code == 0, told
    stored = json.loads(told.out)
    assert (stored["name"], stored["size"]) == ("x", len(data))
    assert stored["sha256"] == hashlib.sha256(data).hexdigest()


def test_standard_input_is_uploaded_whole(askr: Askr) -> None:
    data = os.urandom(2 * MIB)
    told = askr("send", "lab.put", "--in", "-", "--json", stdin=data)
    assert told.code == 0, told
    assert told.json["value"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_nothing_can_be_uploaded(askr: Askr) -> None:
    told = askr("send", "lab.put", "--in", "-", stdin=b"")
    assert json.loads(told.out)["size"] == 0


def test_an_upload_that_is_refused_ends_although_more_could_come(askr: Askr) -> None:
    """Standard input stays open and silent here: nobody waits for it."""
    told = askr("send", "lab.refuse", "--in", "-", "--json")
    assert (told.code, told.json["error"]["code"]) == (6, "full")
    assert "Fatal" not in told.err


def test_ctrl_c_ends_an_upload_that_waits_for_more(askr: Askr) -> None:
    with askr.running("send", "lab.put", "--in", "-", "-v") as run:
        run.wait_for_narration("connected to")
        ended = run.stop()
    assert (ended.code, ended.out) == (130, "")
    assert "Traceback" not in ended.err


def test_items_go_both_ways(askr: Askr) -> None:
    data = b"abc" * 100_000
    with askr._popen(
        ("send", "lab.shout", "--stream", "--raw", "--in", "-"), subprocess.PIPE
    ) as run:
        out, err = run.communicate(data, timeout=PATIENCE_S)
    assert (run.returncode, err) == (0, b"")
    assert out == data.upper()


def test_an_upload_where_none_is_taken_is_refused(askr: Askr) -> None:
    told = askr("send", "lab.count", "to:=1", "--in", "-", "--json", stdin=b"x")
    assert (told.code, told.json["error"]["code"]) == (3, "bad_request")


def test_large_payloads_travel_by_themselves(askr: Askr) -> None:
    (askr.cwd / "big").write_bytes(b"x" * (3 * MIB))
    assert askr("send", "lab.size", "--raw-payload", "big").out == f"{3 * MIB}\n"
    with askr.running("send", "lab.large", f"of:={3 * MIB}", "--raw") as run:
        assert run.process.stdout is not None
        assert run.process.stdout.read() == b"x" * (3 * MIB)


def test_progress_is_told_beside_the_value(askr: Askr) -> None:
    told = askr("send", "lab.work")
    assert (told.code, told.out) == (0, '"done"\n')
    assert told.err == '{"percent":50}\nnearly\\u001b[2J\n'
    assert askr("send", "lab.work", "-q").err == ""


def test_an_instance_that_is_killed_ends_its_stream(daemon: DaemonProcess, tmp_path: Path) -> None:
    askr = Askr(tmp_path, daemon.unix_url)
    askr.environ["ASKR_WORKSPACE"] = "frail"
    with AgentProcess(SCRIPT, askr.environ) as agent:
        with askr.running("send", "lab.silent", "--stream", "--wait", "20s", "--json") as run:
            assert json.loads(run.line()) == {"item": 1}
            agent.end(signal.SIGKILL)
            ended = run.end()
    assert (ended.code, ended.json["error"]["code"]) == (8, "instance_lost")


def test_each_line_is_a_stream_of_its_own(askr: Askr) -> None:
    told = askr("send", "lab.count", "--lines", "-", "--stream", stdin=b'{"to":2}\n{"to":1}\n')
    assert (told.code, told.out) == (0, "1\n2\n1\n")


def test_a_line_of_the_shell_streams_uploads_and_asks_several(askr: Askr) -> None:
    (askr.cwd / "data").write_bytes(b"abc")
    line = "send lab.count to:=2 --stream; send lab.put --in data; send lab@*.work"
    told = askr("shell", "-c", line)
    assert told.code == 0, told
    first, second, stored, row = told.out.splitlines()
    assert (first, second, json.loads(stored)["size"]) == ("1", "2", 3)
    assert row.endswith(' "done"')
    assert askr("shell", "-c", "send lab.put --in -").code == 2


def test_a_pipe_between_two_commands(askr: Askr) -> None:
    """Both run at once: the second begins before the first has ended."""
    program = [sys.executable, "-m", "askr_cli", "send"]
    where = {"env": askr.environ, "cwd": askr.cwd}
    with subprocess.Popen(
        [*program, "lab.count", "to:=1000", "--stream"], stdout=subprocess.PIPE, **where
    ) as first:
        told = subprocess.run(
            [*program, "lab.put", "--in", "-"], stdin=first.stdout, capture_output=True,
            check=True, timeout=PATIENCE_S, **where,
        )  # fmt: skip
    assert json.loads(told.stdout)["size"] == sum(len(f"{n}\n") for n in range(1, 1001))
