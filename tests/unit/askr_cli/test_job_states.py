"""Holds that the terminal knows the daemon's states of a job, and which of them are an end."""

from askr_cli.job_states import ENDED, JobState
from askrd.core import jobs


def test_the_states_are_the_daemons() -> None:
    assert [str(state) for state in JobState] == list(jobs.STATES)
    assert {str(state) for state in ENDED} == set(jobs.ENDED)
