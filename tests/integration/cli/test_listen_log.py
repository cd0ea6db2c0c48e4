"""Black box: `askr listen --log`: replays, consumers with a place, and acks."""

import pytest

from tests.integration.cli.program import PATIENCE_S, Askr

pytestmark = pytest.mark.integration


@pytest.fixture
def log(request: pytest.FixtureRequest, askr: Askr) -> str:
    """A log with the events NAME.a 0, 1 and 2."""
    name: str = request.node.originalname.removeprefix("test_")[:60]
    assert askr("logs", "create", name, f"{name}.**", "--ack-wait", "200ms").code == 0
    assert askr("emit", f"{name}.a", "--lines", "-", stdin=b"0\n1\n2\n").code == 0
    return name


def read(askr: Askr, log: str, *words: str) -> list[object]:
    told = askr("listen", "--log", log, *words, "--json")
    assert told.code == 0, told
    return [line["payload"] for line in told.lines]


def test_a_log_is_read_from_its_beginning_and_followed(askr: Askr, log: str) -> None:
    with askr.running("listen", "--log", log, "--count", "4", "--json") as run:
        run.wait_for_narration(f"listening to the log {log}")
        askr("emit", f"{log}.b", "3")
        lines = run.end().lines
    assert [line["payload"] for line in lines] == [0, 1, 2, 3]
    assert [line["log_seq"] for line in lines] == [1, 2, 3, 4]
    assert set(lines[0]) >= {"event", "payload", "from", "seq", "ts", "log_seq"}
    assert lines[3]["event"] == f"{log}.b"
    assert [line["payload"] for line in lines] == read(askr, log, "--count", "4")


def test_a_replay_begins_where_it_is_told(askr: Askr, log: str) -> None:
    assert read(askr, log, "--start", "2", "--count", "2") == [1, 2]
    assert read(askr, log, "--start", "first", "--count", "1") == [0]
    assert read(askr, log, "--since", "10m", "--count", "3") == [0, 1, 2]
    with askr.running("listen", "--log", log, "--start", "new", "--count", "1", "--json") as run:
        run.wait_for_narration("listening")
        askr("emit", f"{log}.a", "3")
        assert [line["payload"] for line in run.end().lines] == [3]


def test_one_pattern_filters_a_log(askr: Askr, log: str) -> None:
    askr("emit", f"{log}.b", "3")
    told = askr("listen", f"{log}.b", "--log", log, "--count", "1", "--json")
    assert (told.json["event"], told.json["log_seq"]) == (f"{log}.b", 4)


def test_what_a_reader_that_leaves_has_seen_is_acked(askr: Askr, log: str) -> None:
    books = ("--consumer", "books", "--ack")
    assert read(askr, log, *books, "--count", "2") == [0, 1]
    with askr.running("listen", "--log", log, *books, "--json") as run:
        assert '"payload":2' in run.line()
        assert run.process.stdout is not None
        run.process.stdout.close()
        assert run.process.wait(PATIENCE_S) == 0
    askr("emit", f"{log}.a", "3")
    assert read(askr, log, *books, "--count", "1") == [3]


def test_a_consumer_goes_on_where_it_was(askr: Askr, log: str) -> None:
    books = ("--consumer", "books", "--ack")
    assert read(askr, log, *books, "--count", "1") == [0]
    assert read(askr, log, *books, "--count", "2") == [1, 2]
    assert read(askr, log, *books, "--idle", "200ms") == []
    assert read(askr, log, "--consumer", "other", "--ack", "--count", "1") == [0]


def test_a_consumer_without_acks_moves_as_events_are_delivered(askr: Askr, log: str) -> None:
    assert read(askr, log, "--consumer", "books", "--idle", "300ms") == [0, 1, 2]
    assert read(askr, log, "--consumer", "books", "--idle", "200ms") == []


def test_a_consumer_that_leaves_after_some_has_only_those_behind_it(askr: Askr, log: str) -> None:
    assert read(askr, log, "--consumer", "books", "--count", "1") == [0]
    (row,) = askr("logs", "consumers", log, "--json").json
    assert (row["seq"], row["waiting"], row["unacked"]) == (1, 2, 0)
    assert read(askr, log, "--consumer", "books", "--count", "2") == [1, 2]


def test_what_was_not_acked_comes_again_and_says_so(askr: Askr, log: str) -> None:
    with askr.running("listen", "--log", log, "--consumer", "books", "--ack") as run:
        run.wait_for_narration("listening")
        assert "  (log 1)" in run.line()
        run.process.kill()
    lines = askr(
        "listen", "--log", log, "--consumer", "books", "--ack", "--idle", "1s", "--json"
    ).lines
    assert {line["log_seq"] for line in lines} <= {1, 2, 3}
    assert all(line["delivery"] >= 1 for line in lines)
    (row,) = askr("logs", "consumers", log, "--json").json
    assert (row["seq"], row["waiting"]) == (3, 0)


def test_a_new_consumer_may_begin_with_what_is_new(askr: Askr, log: str) -> None:
    new = ("--consumer", "late", "--ack", "--start", "new")
    assert read(askr, log, *new, "--idle", "200ms") == []
    askr("emit", f"{log}.a", "3")
    assert read(askr, log, *new, "--count", "1") == [3]


def test_lines_for_people_say_the_number(askr: Askr, log: str) -> None:
    out = askr("listen", "--log", log, "--count", "2").out
    assert [line.rpartition("  ")[2] for line in out.splitlines()] == ["(log 1)", "(log 2)"]


def test_fields_of_a_log_can_be_chosen(askr: Askr, log: str) -> None:
    out = askr("listen", "--log", log, "--count", "2", "--fields", "log_seq,payload").out
    assert out == "1\t0\n2\t1\n"


def test_what_the_log_has_forgotten_is_told_first(askr: Askr, log: str) -> None:
    assert askr("logs", "create", log, f"{log}.**", "--count", "1").code == 0
    told = askr("listen", "--log", log, "--start", "1", "--count", "1", "--json")
    gap, line = told.lines
    assert (gap, line["log_seq"]) == ({"gap": {"missed": 2}}, 3)
    assert "askr: 2 events are not kept any more\n" in told.err


def test_no_such_log_exits_5(askr: Askr) -> None:
    told = askr("listen", "--log", "nowhere", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "not_found")
    assert "askr logs" in told.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("a", "b"), "one pattern"),
        (("--group", "g"), "--group shares live events"),
        (("--retained",), "a log has all of its events"),
        (("--start", "first", "--since", "1m"), "give one"),
        (("--start", "0"), "a sequence number from 1 on"),
        (("--start", "soon"), "a sequence number from 1 on"),
        (("--ack",), "--consumer NAME"),
        (("--consumer", "c", "--from", "s"), "--from would hide events"),
    ],
)
def test_what_makes_no_sense_is_refused(askr: Askr, words: tuple[str, ...], why: str) -> None:
    told = askr("listen", "--log", "any", *words, "--json")
    assert (told.code, told.json["error"]["code"]) == (2, "usage")
    assert why in told.err


def test_a_dry_run_shows_what_is_asked(askr: Askr) -> None:
    shown = askr(
        "listen", "--log", "l", "--consumer", "c", "--ack", "--start", "7", "--dry-run"
    ).json
    assert shown == {
        "k": "sub", "id": 1, "pattern": "**", "retained": False, "log": "l", "consumer": "c",
        "ack": True, "start_seq": 7,
    }  # fmt: skip
