"""Black box: `askr send`, its output in both languages, its errors and exit codes."""

import base64
import json
import signal
import socket

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.conftest import HOSTILE
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextService

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("service")]


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("42",), "42\n"),
        (('{"a": [1, null], "b": "é"}',), '{"a":[1,null],"b":"é"}\n'),
        (('"text"',), '"text"\n'),
        (("123456789012345678901234567890",), "123456789012345678901234567890\n"),
        (("name=west", "depth:=2"), '{"name":"west","depth":2}\n'),
        ((), ""),
        (("null",), ""),
    ],
)
def test_only_the_value_is_printed(askr: Askr, words: tuple[str, ...], printed: str) -> None:
    told = askr("send", "lab.echo", *words)
    assert (told.code, told.out, told.err) == (0, printed, "")


def test_standard_input_is_the_payload_of_a_dash(askr: Askr) -> None:
    assert askr("send", "lab.echo", "-", stdin=b'{"a":\n 1}\n').out == '{"a":1}\n'


def test_each_line_of_standard_input_is_a_command(askr: Askr) -> None:
    told = askr("send", "lab.echo", "--lines", "-", stdin=b'1\n\n"two"\n')
    assert (told.code, told.out) == (0, '1\n"two"\n')


def test_the_whole_answer_as_json(askr: Askr, service: TextService) -> None:
    told = askr("send", "echo", "42", "--json")
    answer = told.json
    assert (told.code, told.err) == (0, "")
    assert isinstance(answer.pop("id"), int)
    assert 0 < answer.pop("ms") < 10_000
    assert answer == {
        "ok": True,
        "target": "echo",
        "value": 42,
        "from": {"service": "lab", "instance": service.instance},
    }


def test_one_instance_can_be_asked(askr: Askr, service: TextService) -> None:
    assert askr("send", f"lab@{service.instance}.echo", "1").out == "1\n"


def test_bytes_go_both_ways(askr: Askr) -> None:
    data = bytes(range(256))
    (askr.cwd / "raw").write_bytes(data)
    told = askr("send", "lab.echo", "--raw-payload", "raw")
    assert base64.b64decode(json.loads(told.out)["b"]) == data
    with askr.running("send", "lab.echo", "--raw-payload", "raw", "--raw") as run:
        assert run.process.stdout is not None
        assert run.process.stdout.read() == data


def test_headers_and_the_deadline_reach_the_service(askr: Askr) -> None:
    assert askr("send", "lab.headers", "-H", "trace=abc").out == '{"trace":"abc"}\n'
    assert 4_000 < int(askr("send", "lab.ttl", "--timeout", "5s").out) <= 5_000
    askr.environ["ASKR_TIMEOUT"] = "2m"
    assert 100_000 < int(askr("send", "lab.ttl").out) <= 120_000


def test_the_service_sees_a_terminal(askr: Askr) -> None:
    assert json.loads(askr("send", "lab.who").out)["service"] == "send"


def test_hostile_values_are_escaped_and_stay_the_same_json(askr: Askr) -> None:
    told = askr("send", "lab.hostile")
    assert told.out.rstrip("\n").isprintable()
    assert json.loads(told.out) == HOSTILE
    assert askr("send", "lab.hostile", "--json").json["value"] == HOSTILE


FAILS = [
    ({"code": "page_missing", "message": "no such page", "details": {"page": 7}}, 6),
    ({"code": "not_found", "message": "gone fishing"}, 6),
    ({"code": "handler_error", "message": "it broke"}, 6),
    ({"code": "schema_invalid", "message": "url is missing", "at": "request"}, 3),
    ({"code": "schema_invalid", "message": "not an int", "at": "response"}, 6),
    ({"code": "busy", "message": "later", "retryable": True}, 6),
]


@pytest.mark.parametrize(("fail", "code"), FAILS)
def test_what_a_handler_says_went_wrong(askr: Askr, fail: dict[str, object], code: int) -> None:
    told = askr("send", "lab.fail_with", json.dumps(fail), "--json")
    error = told.json["error"]
    assert (told.code, told.json["ok"]) == (code, False)
    assert set(error) == {"code", "message", "details", "retryable", "at"}
    assert (error["code"], error["message"]) == (fail["code"], fail["message"])
    assert error["details"] == fail.get("details", {})
    assert error["at"] == fail.get("at", "handler")
    assert str(fail["message"]) in told.err
    assert told.err.startswith("askr: ")


def test_a_hostile_error_is_harmless(askr: Askr) -> None:
    fail = {"code": "oops", "message": HOSTILE + "\nforged: line"}
    told = askr("send", "lab.fail_with", json.dumps(fail))
    assert told.code == 6
    assert told.err.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("target", "code", "hint"),
    [
        ("ehco", "command_unknown", "echo"),
        ("lab.ehco", "command_unknown", "echo"),
        ("zzzzzz", "command_unknown", "(askr services)"),
        ("nobody.echo", "service_unknown", "(askr services)"),
        ("lab@aaaaaa.echo", "no_instance", ""),
    ],
)
def test_nobody_there_exits_5_with_a_hint(askr: Askr, target: str, code: str, hint: str) -> None:
    told = askr("send", target, "--json")
    assert (told.code, told.json["error"]["code"]) == (5, code)
    assert hint in told.err


def test_an_ambiguous_name_exits_2_and_lists_the_choices(askr: Askr, daemon: DaemonProcess) -> None:
    with TextService(daemon.unix_url, "other", {"echo": lambda call: {}}):
        told = askr("send", "echo", "--json")
    assert (told.code, told.json["error"]["code"]) == (2, "command_ambiguous")
    assert "lab.echo" in told.err
    assert "other.echo" in told.err


def test_a_service_that_left_is_no_instance(askr: Askr, daemon: DaemonProcess) -> None:
    with TextService(daemon.unix_url, "brief", {"run": lambda call: {}}):
        assert askr("send", "brief.run").code == 0
    told = askr("send", "brief.run", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "no_instance")
    assert told.json["error"]["retryable"] is True


def test_a_payload_above_the_limit_exits_3(askr: Askr) -> None:
    (askr.cwd / "big").write_bytes(b"x" * (1024 * 1024 + 1))
    told = askr("send", "lab.echo", "--raw-payload", "big", "--json")
    assert (told.code, told.json["error"]["code"]) == (3, "payload_too_large")


def test_a_passed_deadline_exits_124_and_cancels(askr: Askr, service: TextService) -> None:
    told = askr("send", "lab.slow", "--timeout", "100ms", "--json")
    assert (told.code, told.json["error"]["code"]) == (124, "deadline_exceeded")
    assert service.wait_for("cancel")["reason"] == "deadline"


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_command_first(
    askr: Askr, service: TextService, sign: int, code: int
) -> None:
    with askr.running("send", "lab.slow", "--json") as run:
        service.wait_for_call()
        ended = run.stop(sign)
    assert (ended.code, ended.json["error"]["code"]) == (code, "cancelled")
    # A signal in the instant between sending and waiting ends the connection instead.
    assert service.wait_for("cancel")["reason"] in {"caller", "caller_lost"}


def test_a_lost_instance_exits_8(askr: Askr, daemon: DaemonProcess) -> None:
    with TextService(daemon.unix_url, "frail", {"run": lambda call: None}) as frail:
        with askr.running("send", "frail.run", "--json") as run:
            frail.wait_for_call()
            frail.drop()
            ended = run.end()
    assert (ended.code, ended.json["error"]["code"]) == (8, "instance_lost")


def test_a_lost_daemon_exits_8(tmp_path) -> None:
    with DaemonProcess() as daemon:
        with TextService(daemon.unix_url, "lab", {"slow": lambda call: None}) as lab:
            with Askr(tmp_path, daemon.url).running("send", "slow", "--json") as run:
                lab.wait_for_call()
                daemon.kill()
                ended = run.end()
    assert (ended.code, ended.json["error"]["code"]) == (8, "connection_lost")


def test_no_daemon_exits_7_and_says_how_to_start_one(tmp_path) -> None:
    told = Askr(tmp_path, "ws://127.0.0.1:1")("send", "fetch", "--json")
    assert (told.code, told.json["error"]["at"]) == (7, "client")
    assert told.err == (
        "askr: cannot reach askrd at ws://127.0.0.1:1 (connection refused). "
        "Start one: askrd serve\n"
    )


def test_verbose_says_who_answered(askr: Askr, service: TextService) -> None:
    told = askr("send", "lab.echo", "1", "-v")
    assert told.out == "1\n"
    assert f"lab-{service.instance} answered in " in told.err


def test_a_daemon_that_does_not_greet_is_unreachable(tmp_path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        told = Askr(tmp_path, f"unix:{tmp_path / 's'}")("ping", "--timeout", "1s", "--json")
    assert (told.code, told.json["ok"]) == (7, False)
    assert "Start one: askrd serve" in told.err
