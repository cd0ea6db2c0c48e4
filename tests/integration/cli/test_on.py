"""Black box: `askr on` runs any program for each event."""

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.processes import is_alive, text_in, wait_until
from tests.integration.cli.program import Askr, Running

pytestmark = pytest.mark.integration


@contextlib.contextmanager
def handling(askr: Askr, *words: str) -> Iterator[Running]:
    with askr.running("on", *words) as run:
        run.wait_for_narration("waiting for")
        yield run


def shell(script: str, *arguments: str) -> tuple[str, ...]:
    return ("--", "sh", "-c", script, "sh", *arguments)


def test_the_program_gets_the_event(askr: Askr) -> None:
    script = 'cat; echo "$ASKR_EVENT $ASKR_FROM $ASKR_SEQ $ASKR_TS $1"'
    with handling(askr, "got.*", "--count", "1", *shell(script, "a-{size}")) as run:
        told = askr("emit", "got.it", "size:=3", "--json").json
        ended = run.end()
    payload, words = ended.out.splitlines()
    event, caller, seq, ts, filled = words.split()
    assert (ended.code, json.loads(payload)) == (0, {"size": 3})
    assert (event, filled, int(seq)) == ("got.it", "a-3", told["seq"])
    assert caller.startswith("emit@")
    assert int(ts) > 1_600_000_000_000


def test_bytes_are_read_as_they_are(askr: Askr, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"\x00raw")
    with handling(askr, "raw", "--count", "1", "--", "cat") as run:
        askr("emit", "raw", "--raw-payload", "raw")
        assert run.end().out == "\x00raw"


def test_events_are_handled_in_order(askr: Askr) -> None:
    with handling(askr, "row", "--count", "20", "--", "cat") as run:
        askr("emit", "row", "--lines", "-", stdin=b"".join(b"%d\n" % n for n in range(20)))
        assert run.end().out.split() == [str(number) for number in range(20)]


def test_several_may_be_handled_at_once(askr: Askr) -> None:
    script = 'read one; touch "$one"; until [ -e "$1" ]; do sleep 0.02; done; echo "$one"'
    words = ("pair", "--count", "2", "--concurrency", "2", *shell(script, "2"))
    with handling(askr, *words) as run:
        askr("emit", "pair", "--lines", "-", stdin=b"1\n2\n")
        assert sorted(run.end().out.split()) == ["1", "2"]


def test_a_failure_is_told_and_the_next_event_is_handled(askr: Askr) -> None:
    with handling(askr, "some", "--count", "3", *shell("echo no >&2; exit $1", "{status}")) as run:
        for items in (["status:=3"], ["other:=1"], ["status:=0"]):
            askr("emit", "some", *items)
        ended = run.end()
    assert (ended.code, ended.out) == (1, "")
    assert "the program ended with exit status 3" in ended.err
    assert "no member 'status'; the program was not run" in ended.err
    assert ended.err.count("no\n") == 2


def test_json_is_a_line_for_each_event(askr: Askr) -> None:
    words = ("line", "--json", "--count", "2", *shell("echo out; exit $1", "{status}"))
    with handling(askr, *words) as run:
        askr("emit", "line", "status:=2")
        askr("emit", "line", "1")
        first, second = run.end().lines
    assert (first["event"], first["payload"], first["status"]) == ("line", {"status": 2}, 2)
    assert (first["output"], first["signal"], first["from"]["service"]) == ("out\n", None, "emit")
    assert (second["status"], second["payload"]) == (None, 1)
    assert "no object with status" in second["error"]


def test_time_that_is_over_ends_what_runs(askr: Askr, tmp_path: Path) -> None:
    words = ("late", "--count", "2", "--timeout", "3s", *shell("echo $$ > pid; exec sleep 100"))
    with handling(askr, *words) as run:
        askr("emit", "late")
        pid = int(text_in(tmp_path / "pid"))
        ended = run.end()
    assert (ended.code, is_alive(pid)) == (124, False)
    assert "0 of 2 were handled" in ended.err


def test_without_a_count_a_quiet_end_is_no_failure(askr: Askr) -> None:
    assert askr("on", "never", "--timeout", "50ms", "--", "true").code == 0
    assert askr("on", "never", "--idle", "50ms", "--", "true").code == 0


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_no_program_outlives_askr(askr: Askr, tmp_path: Path, sign: int, code: int) -> None:
    with handling(askr, "long", *shell("echo $$ > pid; exec sleep 100")) as run:
        askr("emit", "long")
        pid = int(text_in(tmp_path / "pid"))
        assert run.stop(sign).code == code
        assert not is_alive(pid)


def test_hostile_payloads_stay_in_their_word(askr: Askr, tmp_path: Path) -> None:
    hostile = "$(touch pwned); touch pwned"
    with handling(askr, "evil", "--count", "1", "--", "echo", "{name}") as run:
        askr("emit", "evil", f"name={hostile}")
        assert run.end().out == f"{hostile}\n"
    assert not (tmp_path / "pwned").exists()


def test_the_program_may_use_askr_itself(askr: Askr, tmp_path: Path) -> None:
    with handling(askr, "first", "--count", "1", *shell('echo "$ASKR_URL" > url')):
        askr("emit", "first")
        assert text_in(tmp_path / "url") == askr.environ["ASKR_URL"]


def test_a_reader_that_leaves_is_no_failure(askr: Askr, tmp_path: Path) -> None:
    with handling(askr, "pipe", *shell("echo $$ >> pids; echo out")) as run:
        assert run.process.stdout is not None
        run.process.stdout.close()
        askr("emit", "pipe")
        text_in(tmp_path / "pids")
        wait_until(lambda: run.process.poll() is not None)
        assert run.process.returncode == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("a..b", "--", "true"), 3),
        (("x", "--", "no-such-program"), 2),
        (("x",), 2),
        (("x", "--concurrency", "0", "--", "true"), 2),
    ],
)
def test_what_cannot_be_is_refused(askr: Askr, words: tuple[str, ...], code: int) -> None:
    told = askr("--json", "on", *words)
    assert (told.code, told.json["ok"]) == (code, False)


def test_a_daemon_that_is_not_there_exits_7(askr: Askr) -> None:
    askr.environ["ASKR_URL"] = "ws://127.0.0.1:1"
    told = askr("on", "x", "--", "true")
    assert (told.code, told.out) == (7, "")
