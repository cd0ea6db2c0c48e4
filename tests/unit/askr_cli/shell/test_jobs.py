"""Background jobs of the shell."""

import threading
from io import StringIO

import pytest

from askr_cli.exits import Usage
from askr_cli.shell.jobs import HELD_MAX, JOBS_MAX, Gate, Job, Jobs, Prefixed

PATIENCE_S = 10


class Line:
    """A connection that is open until it is closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def until_closed(job: Job) -> int:
    line = job.adopt(Line())
    return 0 if line.closed.wait(PATIENCE_S) else 1


def at_once(_: Job) -> int:
    return 5


def test_a_job_runs_until_it_is_ended() -> None:
    jobs = Jobs()
    job = jobs.start("listen X &", until_closed)
    assert "running" in str(job)
    assert jobs.end("%1") is job
    assert job.code == 0
    assert list(jobs) == []


def test_a_job_that_is_ended_before_it_has_a_connection_ends_all_the_same() -> None:
    asked = threading.Event()

    def slow_to_connect(job: Job) -> int:
        asked.wait(PATIENCE_S)
        return until_closed(job)

    job = Job(1, "listen X &")
    job.start(slow_to_connect)
    job.ending = True
    asked.set()
    job.end()
    assert job.code == 0


def test_an_ended_job_is_shown_once_with_its_exit_code() -> None:
    jobs = Jobs()
    job = jobs.start("send nope &", at_once)
    job.end()
    assert str(job) == "[1]  ended with 5   send nope &"
    assert job.row() == {"job": 1, "text": "send nope &", "exit": 5}
    assert jobs.forget_ended() == [job]
    assert list(jobs) == []


def test_numbers_are_used_again_and_bounded() -> None:
    jobs = Jobs()
    for _ in range(JOBS_MAX):
        jobs.start("listen X &", until_closed)
    with pytest.raises(Usage, match="16 jobs are running"):
        jobs.start("listen X &", until_closed)
    jobs.end("3")
    assert jobs.start("listen Y &", until_closed).number == 3
    jobs.end_all()
    assert list(jobs) == []


@pytest.mark.parametrize("name", ["", "%", "%9", "x", "%99999999999999999999"])
def test_what_is_no_job_cannot_be_ended(name: str) -> None:
    with pytest.raises(Usage, match="there is no job"):
        Jobs().end(name)


def test_lines_of_a_job_have_its_number_and_come_whole() -> None:
    out = StringIO()
    stream = Prefixed(out, "[1] ")
    for text in ("a", "b\nc\n", "", "d"):
        stream.write(text)
    assert out.getvalue() == "[1] ab\n[1] c\n"


def test_a_shut_gate_holds_the_newest_lines_back_until_it_opens() -> None:
    out = StringIO()
    gate = Gate(out)
    gate.write("before\n")
    with gate.shut():
        for number in range(HELD_MAX + 5):
            gate.write(f"{number}\n")
        assert out.getvalue() == "before\n"
    lines = out.getvalue().splitlines()
    assert (lines[1], lines[-1], len(lines)) == ("5", str(HELD_MAX + 4), HELD_MAX + 1)
