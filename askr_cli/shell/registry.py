"""Keeps the live names fresh: asks the daemon when they are old, never longer than a second."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from askr_cli.shell.live_names import LiveNames, job_names, live_names, log_names
from askrd.wire.errors import AskrError

FRESH_S = 2.0
ASK_TIMEOUT_S = 1.0
KEYS_MAX = 2_000
JOBS_MAX = 100


class Asking(Protocol):
    """A connected client, as far as it is needed here."""

    def send(self, target: str, payload: Any = None, *, timeout: float | None = None) -> Any:
        """Sends a command and returns its value."""


class Registry:
    """What the daemon knows about the workspace, at most two seconds old.

    Args:
        client: to ask with.
        keys: returns the keys of the state; asked only when they are wanted.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: Asking,
        keys: Callable[[], list[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._fetch_keys = keys
        self._clock = clock
        self._lock = threading.Lock()
        self._names = LiveNames()
        self._keys: tuple[str, ...] = ()
        self._descriptions: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._logs: dict[str, str] = {}
        self._jobs: dict[str, str] = {}
        self._stale_at_s = {"names": 0.0, "keys": 0.0, "kept": 0.0}

    @property
    def names(self) -> LiveNames:
        """The newest names, without asking."""
        return self._names

    def fresh_names(self, *, with_keys: bool = False, with_kept: bool = False) -> LiveNames:
        """Returns names that are at most two seconds old; older ones when nobody answers.

        Args:
            with_keys: whether the keys of the state are wanted too.
            with_kept: whether the logs and the newest jobs are wanted too.
        """
        with self._lock:
            if self._is_due("names"):
                self._refresh_names()
            if with_keys and self._is_due("keys"):
                self._refresh_keys()
            if with_kept and self._is_due("kept"):
                self._refresh_kept()
            return self._names

    def _is_due(self, what: str) -> bool:
        now = self._clock()
        if now < self._stale_at_s[what]:
            return False
        self._stale_at_s[what] = now + FRESH_S
        return True

    def _refresh_names(self) -> None:
        try:
            rows = self._client.send("$askr.services", timeout=ASK_TIMEOUT_S)
            descriptions = self._describe(rows)
        except AskrError:
            return  # the old names are better than none
        names = live_names(rows, descriptions, self._keys)
        self._names = replace(names, logs=self._logs, jobs=self._jobs)

    def _refresh_keys(self) -> None:
        try:
            self._keys = tuple(sorted(self._fetch_keys())[:KEYS_MAX])
        except AskrError:
            return
        self._names = replace(self._names, keys=self._keys)

    def _refresh_kept(self) -> None:
        try:
            logs = self._client.send("$askr.logs.list", timeout=ASK_TIMEOUT_S)
            jobs = self._client.send("$askr.jobs.list", {"limit": JOBS_MAX}, timeout=ASK_TIMEOUT_S)
        except AskrError:
            return
        self._logs, self._jobs = log_names(logs), job_names(jobs)
        self._names = replace(self._names, logs=self._logs, jobs=self._jobs)

    def _describe(self, rows: list[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """Returns the description of each service; asks only for instances it has not seen."""
        newest = {str(row.get("service", "")): str(row.get("instance", "")) for row in rows}
        known = self._descriptions
        self._descriptions = {
            key: known[key] if key in known else self._ask(key[0]) for key in newest.items()
        }
        return {service: found for (service, _), found in self._descriptions.items()}

    def _ask(self, service: str) -> Mapping[str, Any]:
        answer = self._client.send("$askr.describe", {"target": service}, timeout=ASK_TIMEOUT_S)
        return answer if isinstance(answer, Mapping) else {}
