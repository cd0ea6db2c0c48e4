"""Black box: `askr emit` and `askr listen` between processes."""

import base64
import json
import signal
import subprocess
import sys
import time

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.conftest import HOSTILE
from tests.integration.cli.program import PATIENCE_S, Askr
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration


def test_emit_tells_how_many_listen(askr: Askr, daemon: DaemonProcess) -> None:
    with TextPeer(daemon.unix_url) as ears:
        ears.ask(k="sub", id=1, pattern="told.*")
        told = askr("emit", "told.one", "n:=1", "--json")
        event = ears.hear_kind("event")
    assert told.code == 0
    assert told.json == {"ok": True, "event": "told.one", "receivers": 1, "seq": event["seq"]}
    assert (event["d"], event["from"]["service"]) == ({"n": 1}, "emit")


def test_emit_says_nothing_on_stdout_for_people(askr: Askr) -> None:
    told = askr("emit", "unheard")
    assert (told.code, told.out, told.err) == (0, "", "emitted unheard to 0 listeners\n")


def test_emit_can_require_a_listener(askr: Askr) -> None:
    told = askr("emit", "unheard", "--require-listener", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "not_found")
    assert "nobody listens to 'unheard'" in told.err


def test_emit_repeats_in_its_rhythm(askr: Askr) -> None:
    start = time.monotonic()
    told = askr("emit", "tick", "--count", "3", "--every", "100ms", "--json")
    assert time.monotonic() - start >= 0.2
    seqs = [one["seq"] for one in told.lines]
    assert len(seqs) == 3
    assert seqs == sorted(set(seqs))


def test_emit_takes_a_payload_per_line(askr: Askr, daemon: DaemonProcess) -> None:
    with TextPeer(daemon.unix_url) as ears:
        ears.ask(k="sub", id=1, pattern="lines")
        assert askr("emit", "lines", "--lines", "-", stdin=b"1\n[2]\n").code == 0
        assert [ears.hear()["d"] for _ in range(2)] == [1, [2]]


def test_a_bad_line_exits_3_after_the_good_ones(askr: Askr) -> None:
    told = askr("emit", "lines", "--lines", "-", "--json", stdin=b"1\nnope\n2\n")
    assert told.code == 3
    assert [one["ok"] for one in told.lines] == [True, False]
    assert "line 2" in told.err


def test_listen_leaves_after_count(askr: Askr, daemon: DaemonProcess) -> None:
    with (
        TextPeer(daemon.unix_url, "mouth") as mouth,
        askr.running("listen", "count.*", "--count", "2", "--json") as run,
    ):
        run.wait_for_narration("listening to count.*")
        for number in range(3):
            mouth.say(k="emit", event=f"count.{number}", d=number)
        ended = run.end()
    assert ended.code == 0
    events = ended.lines
    assert [one["payload"] for one in events] == [0, 1]
    assert set(events[0]) == {"event", "payload", "from", "seq", "ts"}
    assert events[0]["event"] == "count.0"
    assert events[0]["from"] == {"service": "mouth", "instance": mouth.instance}
    assert abs(events[0]["ts"] / 1000 - time.time()) < 60


def test_fewer_than_count_at_the_timeout_exits_124(askr: Askr) -> None:
    assert askr("listen", "silence", "--count", "1", "--timeout", "100ms").code == 124


@pytest.mark.parametrize(
    "words", [("--timeout", "100ms"), ("--idle", "100ms"), ("--idle", "100ms", "--count", "5")]
)
def test_an_end_without_count_or_by_idle_is_no_failure(askr: Askr, words: tuple[str, ...]) -> None:
    assert askr("listen", "silence", *words).code == 0


def test_the_environments_timeout_does_not_end_listening(askr: Askr) -> None:
    askr.environ["ASKR_TIMEOUT"] = "1ms"
    told = askr("listen", "silence", "--idle", "200ms", "--count", "1")
    assert told.code == 0


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_listening(askr: Askr, sign: int, code: int) -> None:
    with askr.running("listen", "silence") as run:
        run.wait_for_narration("listening")
        assert run.stop(sign).code == code


def test_only_one_services_events_can_be_wanted(askr: Askr, daemon: DaemonProcess) -> None:
    with (
        TextPeer(daemon.unix_url, "one") as one,
        TextPeer(daemon.unix_url, "two") as two,
        askr.running("listen", "from", "--from", "two", "--count", "1", "--raw") as run,
    ):
        run.wait_for_narration("listening")
        one.ask(k="emit", id=1, event="from", d="one")
        two.ask(k="emit", id=1, event="from", d="two")
        assert run.end().out == '"two"\n'


def test_raw_bytes_come_as_they_are(askr: Askr, daemon: DaemonProcess) -> None:
    data = bytes(range(256))
    with (
        TextPeer(daemon.unix_url) as mouth,
        askr.running("listen", "raw", "--count", "1", "--raw") as run,
    ):
        run.wait_for_narration("listening")
        mouth.say(k="emit", event="raw", b=base64.b64encode(data).decode())
        assert run.process.stdout is not None
        assert run.process.stdout.read() == data


def test_hostile_events_are_harmless_in_every_form(askr: Askr, daemon: DaemonProcess) -> None:
    forms = [(), ("--json",), ("--fields", "payload,event"), ("--time", "--delta")]
    for form in forms:
        with (
            TextPeer(daemon.unix_url) as mouth,
            askr.running("listen", "bad.**", "--count", "1", *form) as run,
        ):
            run.wait_for_narration("listening")
            mouth.say(k="emit", event="bad.\u202ename", d=HOSTILE)
            mouth.say(k="emit", event="bad.name", d=HOSTILE)
            ended = run.end()
        assert ended.out.rstrip("\n").replace("\t", "").isprintable(), form
        assert "owned" in ended.out


def test_many_emissions_are_summed_up_in_one_line(askr: Askr) -> None:
    told = askr("emit", "tick", "x:=1", "--count", "30", "--every", "1ms")
    assert (told.code, told.out, told.err.count("\n")) == (0, "", 1)
    assert told.err.startswith("emitted tick 30 times in ")
    assert told.err.endswith(" to 0 listeners\n")
    assert (
        askr("emit", "tick", "--count", "3", "-v").err.count("emitted tick to 0 listeners\n") == 3
    )
    assert len(askr("emit", "tick", "--count", "3", "--json").lines) == 3
    assert askr("emit", "tick", "--lines", "-", stdin=b"1\n").err.startswith("emitted tick once in")


def test_an_endless_emission_is_summed_up_when_it_is_stopped(
    askr: Askr, daemon: DaemonProcess
) -> None:
    with TextPeer(daemon.unix_url) as ear:
        ear.ask(k="sub", id=1, pattern="tock")
        with askr.running("emit", "tock", "--every", "1ms") as run:
            for _ in range(2):  # when the second is there, the first was counted
                ear.hear_kind("event")
            told = run.stop()
    assert told.code == 130
    assert "emitted tock " in told.err
    assert told.err.endswith(" to 1 listener\n")


def test_listening_goes_on_after_the_daemon_was_restarted(tmp_path) -> None:
    path = tmp_path / "askrd.sock"
    listen = ("--listen", f"unix:{path}")
    askr = Askr(tmp_path, f"unix:{path}")
    with DaemonProcess(*listen) as first:
        with askr.running("listen", "again", "--json") as run:
            run.wait_for_narration("listening")
            first.kill()
            run.wait_for_narration("lost the daemon (")
            run.wait_for_narration("); coming back")
            with DaemonProcess(*listen):
                run.wait_for_narration("connected again")
                assert askr("emit", "again", "5").code == 0
                lines = [json.loads(run.line())]
                while "event" not in lines[-1]:
                    lines.append(json.loads(run.line()))
            run.wait_for_narration("events in between were missed")
            told = run.stop()
    assert lines[-1]["payload"] == 5
    assert {"gap": {"missed": None}} in lines
    assert "request" not in told.err


def test_lost_events_are_announced(askr: Askr, daemon: DaemonProcess) -> None:
    with (
        TextPeer(daemon.unix_url, "flood") as mouth,
        askr.running("listen", "flood", "--json", "--idle", "2s") as run,
    ):
        run.wait_for_narration("listening")
        run.process.send_signal(signal.SIGSTOP)
        body = "x" * 2_000
        for number in range(1, 13_000):
            mouth.say(k="emit", event="flood", d=body)
            if number % 1_000 == 0:
                mouth.ask(k="ping", id=number)
        run.process.send_signal(signal.SIGCONT)
        ended = run.end()
    gaps = [one["gap"]["missed"] for one in ended.lines if "gap" in one]
    events = [one for one in ended.lines if "event" in one]
    assert sum(gaps) + len(events) == 12_999
    assert gaps
    assert "events were lost" in ended.err


@pytest.mark.parametrize("both", ["", "2>&1"])
def test_a_reader_that_leaves_ends_listening_quietly(
    askr: Askr, daemon: DaemonProcess, both: str
) -> None:
    program = f"{sys.executable} -m askr_cli listen leaving"
    line = f"{{ {program} {both}; echo code $? >&2; }} | head -n 1"
    with (
        TextPeer(daemon.unix_url) as mouth,
        subprocess.Popen(
            ["sh", "-c", line], env=askr.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as shell,
    ):
        while shell.poll() is None:
            mouth.ask(k="emit", id=1, event="leaving")
        assert shell.stdout is not None
        assert shell.stderr is not None
        told = shell.stderr.read().decode()
        assert shell.stdout.read().count(b"\n") == 1
    assert told.splitlines()[-1:] == ["code 0"]
    assert "Traceback" not in told
    assert "Broken" not in told


def test_a_reader_that_leaves_is_noticed_while_no_event_comes(
    askr: Askr, daemon: DaemonProcess
) -> None:
    with (
        askr.running("listen", "silent", "--count", "2") as run,
        TextPeer(daemon.unix_url) as mouth,
    ):
        run.wait_for_narration("listening to silent")
        mouth.say(k="emit", event="silent")
        assert "silent" in run.line()
        assert run.process.stdout is not None
        run.process.stdout.close()
        assert run.process.wait(PATIENCE_S) == 0
    assert run._narration.count(b"\n") == 1
