"""Black box: `askr jobs`, and `askr send` to a queue."""

import pytest

from tests.integration.agent_process import AgentProcess
from tests.integration.cli.program import Askr

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("mail")]

ROW = {"id", "target", "state", "attempts", "attempts_max", "created"}


def job_of(askr: Askr, target: str, *words: str) -> str:
    """Sends a command to its queue and returns the id of the job."""
    told = askr("send", target, *words)
    assert (told.code, told.err) == (0, ""), told
    job: str = told.json["job"]
    return job


def ended(askr: Askr, target: str, code: int) -> str:
    """Returns a job that has ended, and `jobs wait` with ``code``."""
    job = job_of(askr, target)
    assert askr("jobs", "wait", job, "--timeout", "20s").code == code
    return job


def test_a_command_that_is_queued_answers_with_a_job(askr: Askr) -> None:
    told = askr("send", "mail.post", "to=you", "--json").json
    assert (told["ok"], list(told["value"])) == (True, ["job"])


def test_the_end_of_a_job_is_waited_for_and_its_value_printed(askr: Askr) -> None:
    job = job_of(askr, "mail.post", "to=you")
    told = askr("jobs", "wait", job, "--timeout", "20s")
    assert (told.code, told.out) == (0, '{"posted":"you"}\n')
    row = askr("jobs", "wait", job, "--json").json
    assert row.keys() >= ROW | {"value", "ended"}
    assert (row["id"], row["state"], row["value"]) == (job, "done", {"posted": "you"})


def test_bytes_are_a_value_too(askr: Askr) -> None:
    told = askr("jobs", "wait", job_of(askr, "mail.picture"))
    assert (told.code, told.out) == (0, '{"b":"AP8="}\n')


def test_a_job_that_fails_for_good_exits_6_and_says_why(askr: Askr) -> None:
    job = job_of(askr, "mail.refuse")
    told = askr("jobs", "wait", job)
    assert (told.code, told.out) == (6, "")
    assert told.err.endswith(
        f"askr: job {job} failed: there is no such address\\u001b[2J (no_address)"
        f"  (askr jobs retry {job})\n"
    )
    row = askr("jobs", "wait", job, "--json")
    assert (row.code, row.json["state"], row.json["error"]["code"]) == (6, "failed", "no_address")


def test_a_job_is_tried_again_and_then_given_up(askr: Askr) -> None:
    job = job_of(askr, "mail.crash")
    told = askr("jobs", "wait", job)
    assert told.code == 6
    assert f"job {job} was given up after 2 attempts" in told.err
    row = askr("jobs", "show", job, "--json").json
    assert (row["state"], row["attempts"], row["attempts_max"]) == ("dead", 2, 2)


def test_a_wait_that_is_too_short_exits_124_and_leaves_the_job(askr: Askr) -> None:
    job = job_of(askr, "mail.hang")
    told = askr("jobs", "wait", job, "--timeout", "200ms", "--json")
    assert (told.code, told.json["error"]["code"]) == (124, "deadline_exceeded")
    assert "has not ended yet" in told.err
    assert askr("jobs", "show", job, "--json").json["state"] in {"queued", "running"}
    assert askr("jobs", "cancel", job).code == 0


def test_who_waits_hears_of_the_end(askr: Askr) -> None:
    job = job_of(askr, "mail.hang")
    with askr.running("jobs", "wait", job, "--timeout", "20s") as run:
        run.wait_for_narration("waiting for its end")
        told = askr("jobs", "cancel", job)
        assert (told.code, told.out, told.err) == (0, "", f"job {job} is cancelled\n")
        waited = run.end()
    assert waited.code == 6
    assert f"job {job} was cancelled" in waited.err


def test_an_outcome_that_is_not_kept_is_heard_all_the_same(askr: Askr) -> None:
    job = job_of(askr, "mail.whisper")
    with askr.running("jobs", "wait", job, "--timeout", "20s") as run:
        run.wait_for_narration("waiting for its end")
        askr("emit", "HUSH", "--require-listener")
        waited = run.end()
    assert (waited.code, waited.out) == (0, '"psst"\n')
    assert askr("jobs", "show", job).code == 5


def test_an_id_may_be_written_with_zeros_before_it(askr: Askr) -> None:
    job = job_of(askr, "mail.hang")
    with askr.running("jobs", "wait", f"000{job}", "--timeout", "20s") as run:
        run.wait_for_narration("waiting for its end")
        askr("jobs", "cancel", job)
        assert run.end().code == 6


def test_jobs_are_listed(askr: Askr) -> None:
    first, second = job_of(askr, "mail.post"), ended(askr, "mail.refuse", 6)
    rows = askr("jobs", "--json").json
    assert [row["id"] for row in rows][:2] == [second, first]
    assert rows[0].keys() >= ROW | {"error"}
    failed = askr("jobs", "list", "mail.refuse", "--state", "failed", "--limit", "1", "--json")
    assert [row["id"] for row in failed.json] == [second]
    head, line = askr("jobs", "list", "--limit", "1").out.splitlines()
    assert head.split() == ["JOB", "COMMAND", "STATE", "ATTEMPTS", "SINCE", "ERROR"]
    assert line.split()[:6] == [second, "mail.refuse", "failed", "1", "of", "5"]
    assert line.endswith("there is no such address\\u001b[2J (no_address)")


def test_a_job_is_shown(askr: Askr) -> None:
    job = ended(askr, "mail.post", 0)
    lines = askr("jobs", "show", job).out.splitlines()
    facts = dict(line.split(None, 1) for line in lines[2:] if "  " in line)
    assert lines[0] == f"job {job}"
    assert (facts["command"], facts["state"], facts["attempts"]) == ("mail.post", "done", "1 of 5")
    assert facts["value"] == '{"posted":"home"}'


def test_jobs_are_tried_again(askr: Askr) -> None:
    one, other = ended(askr, "mail.refuse", 6), ended(askr, "mail.refuse", 6)
    told = askr("jobs", "retry", one, other)
    assert (told.code, told.err) == (
        0, f"job {one} is queued again\njob {other} is queued again\n",
    )  # fmt: skip
    for job in (one, other):
        assert askr("jobs", "wait", job).code == 6
    again = askr("jobs", "retry", "--state", "failed", "--target", "mail.refuse", "--json")
    assert {one, other} <= {row["id"] for row in again.lines}
    assert all(row["ok"] for row in again.lines)


def test_a_job_that_refuses_does_not_keep_the_others_from_it(askr: Askr) -> None:
    one, other = ended(askr, "mail.refuse", 6), ended(askr, "mail.refuse", 6)
    told = askr("jobs", "retry", one, "999999999", "x", other)
    assert (told.code, told.out) == (5, "")
    first, none, no_id, last = told.err.splitlines()
    assert (first, last) == (f"job {one} is queued again", f"job {other} is queued again")
    assert "askr: no job 999999999" in none
    assert "askr: 'x' is no job's id" in no_id
    told = askr("jobs", "cancel", "999999999", "x", "--json")
    assert told.code == 5
    assert [line["error"]["code"] for line in told.lines] == ["not_found", "bad_request"]
    for job in (one, other):
        askr("jobs", "wait", job)


def test_ended_jobs_are_forgotten(askr: Askr) -> None:
    job = ended(askr, "mail.crash", 6)
    told = askr("jobs", "purge", "mail.crash", "--state", "dead", "--json").json
    assert told["ok"] is True
    assert told["purged"] >= 1
    gone = askr("jobs", "show", job, "--json")
    assert (gone.code, gone.json["error"]["code"]) == (5, "not_found")


def test_queues_are_listed(askr: Askr) -> None:
    ended(askr, "mail.post", 0)
    rows = {row["target"]: row for row in askr("jobs", "queues", "--json").json}
    assert rows["mail.post"]["done"] >= 1
    head, *lines = askr("jobs", "queues").out.splitlines()
    assert head.split() == ["COMMAND", "QUEUED", "RUNNING", "DONE", "FAILED", "DEAD", "CANCELLED"]
    assert any(line.startswith("mail.post ") for line in lines)


def test_describe_says_that_a_command_is_queued(askr: Askr) -> None:
    out = askr("describe", "mail.crash").out
    assert "queued     yes: askr send tells the id of a job, tried up to 2 times" in out
    told = askr("describe", "mail.crash", "--json").json
    assert (told["attempts"], told["backoff_ms"]) == (2, 50)


def test_top_shows_queues(askr: Askr) -> None:
    ended(askr, "mail.crash", 6)
    out = askr("top", "--once").out
    tables = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert tables["JOBS"].split() == ["JOBS", "QUEUED", "RUN", "FAILED", "DEAD"]
    assert int(tables["mail.crash"].split()[-1]) >= 1


def test_an_idempotency_key_makes_one_job(askr: Askr) -> None:
    jobs = {job_of(askr, "mail.post", "--idempotency-key", "letter") for _ in range(2)}
    assert len(jobs) == 1


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (("show", "999999999"), {5}),
        (("wait", "999999999"), {5}),
        (("retry", "999999999"), {5}),
        (("cancel", "999999999"), {5}),
        (("show", "one"), {3}),
        (("retry",), {2}),
        (("retry", "1", "--state", "dead"), {2}),
        (("retry", "--state", "done"), {2}),
        (("retry", "--target", "mail.post"), {2}),
        (("purge",), {2}),
        (("purge", "--state", "running"), {2}),
        (("list", "--state", "lost"), {2}),
        (("list", "--limit", "0"), {2}),
        (("lsit", "x"), {2}),
    ],
)
def test_what_cannot_be_is_refused(askr: Askr, words: tuple[str, ...], codes: set[int]) -> None:
    told = askr("jobs", *words, "--json")
    assert told.code in codes, told
    assert told.json["ok"] is False
    assert told.err.startswith("askr: ")


def test_a_job_that_is_done_is_not_tried_again(askr: Askr, mail: AgentProcess) -> None:
    told = askr("jobs", "retry", ended(askr, "mail.post", 0), "--json")
    assert (told.code, told.json["error"]["code"]) == (9, "conflict")


def test_a_dry_run_shows_the_commands(askr: Askr) -> None:
    assert askr("jobs", "--dry-run").json["d"] == {"limit": 100}
    assert askr("jobs", "purge", "a.b", "--state", "dead", "--dry-run").json == {
        "k": "call", "id": 1, "to": "$askr.jobs.purge", "d": {"target": "a.b", "state": "dead"},
    }  # fmt: skip
    sub, show = askr("jobs", "wait", "17", "--dry-run").lines
    assert (sub["pattern"], show["d"]) == ("$askr.job.ended", {"id": "17"})
