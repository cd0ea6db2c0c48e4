"""What queues hold, for programs that wait: `client.jobs`."""

from typing import TYPE_CHECKING, Any

from askrd.sdk.job import ENDED, Job, JobId, end_in, job_id, job_in, jobs_in, selection, too_late
from askrd.sdk.values import Gap
from askrd.wire.errors import NotFound

if TYPE_CHECKING:
    from askrd.sync import Client


class Jobs:
    """The jobs of the workspace: commands that were sent to a queue.

    Every method raises an `AskrError` when the daemon cannot be asked.
    """

    __slots__ = ("_client",)

    def __init__(self, client: "Client") -> None:
        self._client = client

    def queues(self) -> list[dict[str, Any]]:
        """Returns a row per queue: target, and how many jobs are in each state."""
        rows: list[dict[str, Any]] = self._client.send("$askr.jobs.queues")
        return rows

    def list(
        self,
        target: str | None = None,
        *,
        state: str | None = None,
        limit: int | None = None,
        before: str | None = None,
    ) -> list[Job]:
        """Returns jobs, newest first, without their values.

        Args:
            target: only of this command.
            state: only in this state.
            limit: how many at most, up to 1 000; None = 100.
            before: only those older than the job of this id.
        """
        wanted = selection(target, state, limit, before)
        return jobs_in(self._client.send("$askr.jobs.list", wanted))

    def show(self, job: JobId | Job) -> Job:
        """Returns a job with all that is known about it.

        Raises:
            NotFound: there is none of this id, or it is no longer kept.
        """
        return job_in(self._client.send("$askr.jobs.show", {"id": job_id(job)}))

    def retry(self, job: JobId | Job) -> Job:
        """Puts a failed, dead or cancelled job into its queue again, with all its attempts.

        Raises:
            NotFound: there is none of this id.
            Conflict: it is in another state.
        """
        return job_in(self._client.send("$askr.jobs.retry", {"id": job_id(job)}))

    def cancel(self, job: JobId | Job) -> Job:
        """Ends a job that waits or runs.

        Raises:
            NotFound: there is none of this id.
            Conflict: it has ended.
        """
        return job_in(self._client.send("$askr.jobs.cancel", {"id": job_id(job)}))

    def purge(self, target: str | None = None, *, state: str) -> int:
        """Forgets the jobs in a state, and returns how many they were.

        Args:
            target: only of this command.
            state: which ones.
        """
        said = self._client.send("$askr.jobs.purge", selection(target, state))
        return int(said["purged"])

    def wait(self, job: JobId | Job, timeout: float | None = None) -> Job:
        """Waits until a job has ended, and returns it; `Job.result` has its value or error.

        Args:
            job: its id, or what `send` has returned.
            timeout: seconds; None = as long as it takes.

        Raises:
            DeadlineExceeded: it has not ended by then.
            NotFound: there is none of this id, or it is no longer kept.
        """
        wanted = job_id(job)
        with self._client.listen(ENDED, timeout=timeout, gaps=True) as ended:
            found = self.show(wanted)
            while not found.is_ended:
                for event in ended:
                    told = None if isinstance(event, Gap) else end_in(event.payload, found.id)
                    if told is not None or isinstance(event, Gap):
                        found = self._now(found.id, told)
                        break
                else:
                    raise too_late(found.id, timeout, found.state)
            return found

    def _now(self, id_: str, told: Job | None) -> Job:
        """Returns what is known of a job; of one that is not kept what was told of its end."""
        try:
            return self.show(id_)
        except NotFound:
            if told is None:
                raise
            return told
