"""Holds the tables of jobs: order, pauses, counts, and rows that say all there is."""

import pytest
from hypothesis import given, strategies as st

from askrd.core.jobs import (
    DEAD,
    DONE,
    QUEUED,
    RUNNING,
    STATES,
    Definition,
    Job,
    Jobs,
    read_row,
    row_of,
)
from askrd.wire.bodies import ErrorBody


def added(jobs: Jobs, queue: str = "a.b") -> Job:
    job = Job(jobs.number(), jobs.queue(queue), "me@i0", 1_000)
    jobs.expect(job)
    jobs.add(job)
    return job


def test_pauses_double_up_to_a_minute() -> None:
    pauses = [Definition(backoff_ms=10_000).pause_ms(attempt) for attempt in range(1, 6)]
    assert pauses == [10_000, 20_000, 40_000, 60_000, 60_000]
    assert Definition(backoff_ms=90_000).pause_ms(3) == 90_000
    assert Definition(backoff_ms=0).pause_ms(900) == 0


def test_a_queue_gives_out_jobs_by_their_place() -> None:
    jobs = Jobs()
    one, two = added(jobs), added(jobs)
    queue = jobs.queue("a.b")
    assert queue.first() is one
    queue.take(one)
    jobs.move(one, RUNNING)
    assert queue.first() is two
    jobs.move(one, QUEUED)
    assert queue.first() is one, "it has kept its place"
    one.place = jobs.number()
    assert queue.first() is two


def test_what_pauses_or_has_gone_is_passed_over() -> None:
    jobs = Jobs()
    one, two, three = added(jobs), added(jobs), added(jobs)
    queue = jobs.queue("a.b")
    one.due_ms = 5
    jobs.remove(two)
    assert queue.first() is three
    jobs.ready(one)
    assert queue.first() is one


def test_places_that_were_given_up_take_no_room_for_long() -> None:
    jobs = Jobs()
    job = added(jobs)
    for _ in range(1_000):
        jobs.move(job, DEAD)
        job.place = jobs.number()
        jobs.move(job, QUEUED)
    queue = jobs.queue("a.b")
    assert sum(map(len, queue._lanes.values())) < 100  # what it holds is the point
    assert queue.first() is job


def test_jobs_for_one_instance_wait_apart() -> None:
    jobs = Jobs()
    job = Job(jobs.number(), jobs.queue("a.b"), "", 0)
    job.instance = "i7"
    jobs.expect(job)
    jobs.add(job)
    queue = jobs.queue("a.b")
    assert (queue.first(), queue.first("i8"), queue.first("i7")) == (None, None, job)
    assert queue.is_split
    queue.take(job)
    jobs.move(job, RUNNING)
    assert (queue.first("i7"), queue.is_split) == (None, False)


def test_counts_and_bytes_come_back_to_nothing() -> None:
    jobs = Jobs()
    one, two = added(jobs), added(jobs)
    one.result = b"x" * 100
    jobs.weigh(one)
    jobs.move(one, DONE)
    jobs.move(two, DEAD)
    assert list(jobs.ended) == [1], "what is dead is not forgotten by itself"
    assert jobs.bytes == one.size + two.size
    jobs.remove(one)
    jobs.remove(two)
    assert (jobs.count, jobs.bytes, jobs.queue("a.b").total, len(jobs.ended)) == (0, 0, 0, 0)


@given(
    state=st.sampled_from(STATES),
    payload=st.binary(max_size=50),
    head=st.binary(max_size=20),
    result=st.binary(max_size=50),
    numbers=st.tuples(*[st.integers(0, 2**50)] * 5),
    words=st.tuples(*[st.text(max_size=8)] * 4),
)
def test_a_row_says_all_there_is(  # one per part of a job
    state: str,
    payload: bytes,
    head: bytes,
    result: bytes,
    numbers: tuple[int, ...],
    words: tuple[str, ...],
) -> None:
    jobs = Jobs()
    job = Job(17, jobs.queue("a.b.c"), "me@i0", numbers[0])
    job.place, job.started_ms, job.ended_ms, job.due_ms = numbers[1:]
    job.instance, job.key, job.once, job.by = words
    job.state, job.payload, job.head, job.result = state, payload, head, result
    job.coding, job.hops, job.attempts, job.result_coding = 1, 2, 3, 2
    job.error = ErrorBody(code="x", details={"a": [1]})
    back = read_row(jobs, job.row_key, row_of(job))
    told = {name: getattr(job, name) for name in Job.__slots__}
    told["state"] = QUEUED if state == RUNNING else state
    told["since_ms"] = numbers[0]
    assert {name: getattr(back, name) for name in Job.__slots__} == told


@given(st.binary(max_size=200))
def test_no_row_but_a_row_is_read(value: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_row(Jobs(), f"{1:016d}", value)
