"""Black box: `askr expose` makes a command of any program."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.processes import is_alive, text_in, wait_for_end, wait_until
from tests.integration.cli.program import Askr, Running
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration

HOSTILE = "; touch pwned; $(touch pwned) `touch pwned` 'a\" > pwned"
STUBBORN = "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"


@contextlib.contextmanager
def exposed(askr: Askr, *words: str) -> Iterator[Running]:
    with askr.running("expose", *words) as run:
        run.wait_for_narration("is offered")
        yield run


def shell(script: str, *arguments: str) -> tuple[str, ...]:
    return ("--", "sh", "-c", script, "sh", *arguments)


# --- the answer -----------------------------------------------------------------------------------


def test_output_is_streamed_while_the_program_runs(askr: Askr, tmp_path: Path) -> None:
    script = "echo one; until [ -e go ]; do sleep 0.02; done; echo two"
    with exposed(askr, "slowly", *shell(script)), askr.running("send", "slowly", "--stream") as run:
        assert run.line() == '"one"\n'
        (tmp_path / "go").touch()
        assert run.line() == '"two"\n'
        assert run.end().code == 0


def test_without_stream_the_lines_come_together(askr: Askr) -> None:
    with exposed(askr, "lines", *shell("echo a; echo; printf 'no end'")):
        assert askr("send", "lines").out == '["a","","no end"]\n'


@pytest.mark.parametrize(
    ("options", "script", "value"),
    [
        (("--value",), "echo a; echo b", '"a\\nb"\n'),
        (("--value",), "true", '""\n'),
        (("--value", "--as", "json"), "echo '{\"a\": [1]}'", '{"a":[1]}\n'),
        (("--as", "json"), "echo 1; echo; echo '\"b\"'", '[1,"b"]\n'),
        (("--value", "--bytes"), "printf 'a\\377'", '{"b":"Yf8="}\n'),
    ],
)
def test_output_becomes_what_was_asked_for(
    askr: Askr, options: tuple[str, ...], script: str, value: str
) -> None:
    with exposed(askr, "say", *options, *shell(script)):
        told = askr("send", "say")
    assert (told.code, told.out) == (0, value)


def test_bytes_are_passed_on_as_they_are(askr: Askr) -> None:
    with exposed(askr, "copy", "--bytes", "--", "cat"):
        told = askr("send", "copy", "--stream", "--raw", "--in", "-", stdin=b"any\0thing" * 50_000)
    assert (told.code, told.out) == (0, "any\0thing" * 50_000)


def test_output_that_is_no_json_is_an_error(askr: Askr) -> None:
    with exposed(askr, "bad", "--value", "--as", "json", *shell("echo nope")):
        told = askr("send", "bad", "--json")
    assert (told.code, told.json["error"]["code"]) == (6, "bad_output")


# --- the words ------------------------------------------------------------------------------------


def test_members_fill_words_and_no_shell_sees_them(askr: Askr, tmp_path: Path) -> None:
    with exposed(askr, "print", "--value", "--", "printf", "<%s|%s>", "{a}", "x{n}{{n}"):
        told = askr("send", "print", f"a={HOSTILE}", "n:=7", "--json")
    assert told.json["value"] == f"<{HOSTILE}|x7{{n}}>"
    assert not (tmp_path / "pwned").exists()


def test_a_missing_member_is_named_and_nothing_runs(askr: Askr, tmp_path: Path) -> None:
    with exposed(askr, "need", "--", "touch", "{file}"):
        missing = askr("send", "need", "--json")
        wrong = askr("send", "need", "file:=[1]", "--json")
        unknown = askr("send", "need", "file=f", "more=1", "--json")
        zero = askr("send", "need", r'{"file": "a\u0000b"}', "--json")
    assert (missing.code, missing.json["error"]["details"]["path"]) == (3, "$.file")
    assert (wrong.code, unknown.code) == (3, 3)
    assert (zero.code, zero.json["error"]["code"]) == (6, "bad_request")
    assert not (tmp_path / "f").exists()


def test_arguments_are_described(askr: Askr) -> None:
    words = ("disk.usage", "--doc", "How full it is.", "--timeout", "5s", "--concurrency", "2")
    with exposed(askr, *words, "--", "echo", "{path}"):
        told = askr("describe", "disk.usage", "--json").json
        text = askr("describe", "disk.usage").out
        assert askr("send", "disk.usage", "path=/").out == '["/"]\n'
    assert (told["reply"], told["timeout_ms"], told["concurrency"]) == ("stream", 5_000, 2)
    assert told["request"]["required"] == ["path"]
    assert text.startswith("disk.usage\n  How full it is.\n")
    assert "askr send disk.usage path=text" in text


# --- standard input -------------------------------------------------------------------------------


def test_standard_input_is_the_payload_then_the_upload(askr: Askr, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"from a file")
    with exposed(askr, "eat", "--value", "--", "cat"):
        assert askr("send", "eat").out == '""\n'
        assert askr("send", "eat", '"text"').out == '"text"\n'
        assert askr("send", "eat", "--raw-payload", "file").out == '"from a file"\n'
        assert askr("send", "eat", "--in", "file").out == '"from a file"\n'
        assert askr("send", "eat", "input=first ", "--in", "file").out == '"first from a file"\n'
        assert askr("send", "eat", "[1]").code == 6
        assert askr("send", "eat", "a=1").code == 3


def test_standard_input_can_be_the_payload_as_json(askr: Askr) -> None:
    with exposed(askr, "eat.json", "--stdin-json", "--value", *shell("cat; echo $1", "{a}")):
        told = askr("send", "eat.json", "a=1", "b:=[2]")
    assert told.out == '"{\\"a\\":\\"1\\",\\"b\\":[2]}\\n1"\n'


def test_an_upload_above_what_a_pipe_holds_is_read_as_it_comes(askr: Askr) -> None:
    with exposed(askr, "count", "--value", "--as", "json", "--", "wc", "-c"):
        told = askr("send", "count", "--in", "-", stdin=bytes(3_000_000))
    assert told.out == "3000000\n"


def test_a_program_that_does_not_read_still_answers(askr: Askr) -> None:
    with exposed(askr, "deaf", "--value", "--", "echo", "done"):
        told = askr("send", "deaf", "--in", "-", stdin=bytes(3_000_000))
    assert told.out == '"done"\n'


# --- failures -------------------------------------------------------------------------------------


def test_an_exit_status_is_an_error_with_the_last_words(askr: Askr) -> None:
    with exposed(askr, "fail", *shell("echo out; echo first >&2; echo why >&2; exit 3")):
        told = askr("send", "fail", "--json")
        streamed = askr("send", "fail", "--stream")
    error = told.json["error"]
    assert (told.code, error["code"], error["at"]) == (6, "exit_status", "handler")
    assert error["details"] == {"status": 3, "signal": None, "stderr": "first\nwhy"}
    assert "exit status 3: why" in told.err
    assert (streamed.code, streamed.out) == (6, '"out"\n')


def test_a_signal_is_an_error_too(askr: Askr) -> None:
    with exposed(askr, "die", "--value", *shell("kill -9 $$")):
        error = askr("send", "die", "--json").json["error"]
    assert (error["code"], error["details"]["signal"]) == ("exit_status", "SIGKILL")
    assert error["details"]["status"] == 137


def test_standard_error_is_progress(askr: Askr, daemon: DaemonProcess) -> None:
    with (
        exposed(askr, "tell", "--value", *shell("echo half >&2; echo whole >&2; echo end")),
        TextPeer(daemon.unix_url) as peer,
    ):
        frames = [peer.ask(k="call", id=1, to="tell")]
        while frames[-1]["k"] == "progress":
            frames.append(peer.hear())
    assert [(one["k"], one.get("d")) for one in frames] == [
        ("progress", "half"), ("progress", "whole"), ("reply", "end"),
    ]  # fmt: skip


def test_a_program_that_cannot_start_is_an_error(askr: Askr, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o700)
    with exposed(askr, "broken", "--", str(broken)):
        told = askr("send", "broken", "--json")
    assert (told.code, told.json["error"]["code"]) == (6, "cannot_start")


# --- ending ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["--stream", "--json"])
def test_a_cancelled_caller_ends_the_program(askr: Askr, tmp_path: Path, mode: str) -> None:
    script = "trap 'echo came > term; exit' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    with exposed(askr, "long", *shell(script)), askr.running("send", "long", mode) as run:
        pid = int(text_in(tmp_path / "pid"))
        assert run.stop(signal.SIGINT).code == 130
        assert text_in(tmp_path / "term") == "came"
        wait_for_end(pid)


def test_a_passed_deadline_ends_the_program(askr: Askr, tmp_path: Path) -> None:
    with exposed(askr, "long", "--value", *shell("echo $$ > pid; exec sleep 100")):
        assert askr("send", "long", "--timeout", "500ms").code == 124
        wait_for_end(int(text_in(tmp_path / "pid")))


def test_the_command_has_the_default_deadline_it_was_given(askr: Askr) -> None:
    with exposed(askr, "long", "--value", "--timeout", "300ms", "--", "sleep", "100"):
        assert askr("send", "long").code == 124


def test_what_ignores_sigterm_is_killed(askr: Askr, tmp_path: Path) -> None:
    with exposed(askr, "long", "--value", *shell(STUBBORN)):
        with askr.running("send", "long") as run:
            pid = int(text_in(tmp_path / "pid"))
            run.stop(signal.SIGINT)
        wait_for_end(pid)


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_no_program_outlives_askr(askr: Askr, tmp_path: Path, sign: int, code: int) -> None:
    script = "sleep 100 & echo $! > child; echo $$ > pid; wait"
    with (
        exposed(askr, "long", "--drain", "100ms", *shell(script)) as expose,
        askr.running("send", "long"),
    ):
        pids = [int(text_in(tmp_path / name)) for name in ("pid", "child")]
        assert expose.stop(sign).code == code
        assert not any(map(is_alive, pids))


def test_a_second_signal_kills_at_once(askr: Askr, tmp_path: Path) -> None:
    with (
        exposed(askr, "long", "--drain", "1h", *shell(STUBBORN)) as expose,
        askr.running("send", "long", "--timeout", "1h"),
    ):
        pid = int(text_in(tmp_path / "pid"))
        expose.process.send_signal(signal.SIGTERM)
        expose.wait_for_narration("once more to kill")
        assert expose.stop(signal.SIGTERM).code == 143
        assert not is_alive(pid)


def test_sigterm_lets_a_program_finish(askr: Askr, tmp_path: Path) -> None:
    script = "echo $$ > pid; until [ -e go ]; do sleep 0.02; done; echo done"
    with (
        exposed(askr, "long", "--drain", "1m", "--value", *shell(script)) as expose,
        askr.running("send", "long") as run,
    ):
        text_in(tmp_path / "pid")
        expose.process.send_signal(signal.SIGTERM)
        expose.wait_for_narration("ending")
        (tmp_path / "go").touch()
        ended = run.end()
        assert (ended.code, ended.out) == (0, '"done"\n')
        assert expose.end().code == 143


def test_what_a_program_leaves_behind_ends_with_it(askr: Askr) -> None:
    with exposed(askr, "leave", "--value", *shell("sleep 100 & echo $!")):
        told = askr("send", "leave")
    assert not is_alive(int(told.out.strip('"\n')))


# --- at once --------------------------------------------------------------------------------------


def test_beyond_its_concurrency_it_is_busy(askr: Askr, tmp_path: Path) -> None:
    script = "echo $$ > pid; until [ -e go ]; do sleep 0.02; done; echo done"
    with (
        exposed(askr, "one", "--concurrency", "1", "--value", *shell(script)),
        askr.running("send", "one") as run,
    ):
        text_in(tmp_path / "pid")
        assert askr("send", "one").code == 75
        assert "saturated 1/1" in askr("why", "one").out
        (tmp_path / "go").touch()
        assert run.end().out == '"done"\n'


def test_some_may_wait(askr: Askr, tmp_path: Path) -> None:
    script = "echo $$ > pid; until [ -e go ]; do sleep 0.02; done; echo done"
    words = ("one", "--concurrency", "1", "--waiting", "1", "--value", *shell(script))
    with exposed(askr, *words), askr.running("send", "one") as run:
        text_in(tmp_path / "pid")
        with askr.running("send", "one") as waiting:
            (tmp_path / "go").touch()
            assert (run.end().code, waiting.end().code) == (0, 0)


# --- the verb -------------------------------------------------------------------------------------


def test_json_tells_what_starts_and_what_has_ended(askr: Askr) -> None:
    with exposed(askr, "talk", "--json", *shell("exit $1", "{status}")) as run:
        askr("send", "talk", "status:=4")
        ended = run.stop(signal.SIGINT)
    start, end = ended.lines
    assert set(start) == {"command", "id", "from", "state"}
    assert (start["command"], start["state"], start["from"]["service"]) == (
        "talk.talk", "started", "send",
    )  # fmt: skip
    assert (end["state"], end["id"], end["status"], end["signal"]) == (
        "finished", start["id"], 4, None,
    )  # fmt: skip
    assert end["ms"] > 0


@pytest.mark.parametrize(
    "words",
    [
        ("no such name", "--", "true"),
        ("name", "--", "no-such-program"),
        ("name", "--", "{program}"),
        ("name", "--", "echo", "{class}"),
        ("name", "--as", "xml", "--", "true"),
        ("name", "--as", "json", "--bytes", "--", "true"),
        ("name",),
        ("name", "--concurrency", "0", "--", "true"),
    ],
)
def test_what_cannot_be_is_refused(askr: Askr, words: tuple[str, ...]) -> None:
    told = askr("--json", "expose", *words)
    assert told.code in {2, 3}
    assert told.json["ok"] is False


def test_a_daemon_that_is_not_there_exits_7(askr: Askr) -> None:
    askr.environ["ASKR_URL"] = "ws://127.0.0.1:1"
    told = askr("expose", "name", "--", "true")
    assert (told.code, told.out) == (7, "")


def test_it_is_offered_again_when_the_daemon_came_back(tmp_path: Path) -> None:
    url = f"unix:{tmp_path}/s"
    askr = Askr(tmp_path, url)
    with contextlib.ExitStack() as stack:
        with DaemonProcess("--listen", url):
            run = stack.enter_context(exposed(askr, "again", "--value", "--", "echo", "here"))
            assert askr("send", "again").out == '"here"\n'
        run.wait_for_narration("lost the daemon")
        with DaemonProcess("--listen", url):
            wait_until(lambda: askr("send", "again").code == 0)


def test_a_reader_that_leaves_is_no_reason_to_stop(askr: Askr) -> None:
    with exposed(askr, "go.on", "--json", "--value", "--", "echo", "here") as run:
        assert run.process.stdout is not None
        run.process.stdout.close()
        assert [askr("send", "go.on").out for _ in range(2)] == ['"here"\n'] * 2


def test_programs_know_the_daemon_and_who_asks(askr: Askr) -> None:
    script = 'echo "$ASKR_COMMAND"; echo "$ASKR_FROM"; echo "$ASKR_URL"'
    with exposed(askr, "know.it", *shell(script)):
        told = askr("send", "know.it", "--json").json
    command, caller, url = told["value"]
    assert (command, url) == ("know.it", askr.environ["ASKR_URL"])
    assert caller.startswith("send@")


def test_several_that_expose_the_same_share_the_work(askr: Askr) -> None:
    words = ("share", "--value", "--", "echo", os.urandom(4).hex())
    with exposed(askr, *words), exposed(askr, *words):
        instances = {askr("send", "share", "--json").json["from"]["instance"] for _ in range(4)}
    assert len(instances) == 2
