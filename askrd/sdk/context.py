"""What a handler knows about the command it is answering, and what its own commands inherit."""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from askrd.sdk.trace import TRACEPARENT, TRACESTATE, span_below
from askrd.wire.errors import DeadlineExceeded

T = TypeVar("T")

CORRELATION = "askr-correlation"
"""Header that names one chain of commands; nested commands inherit it."""
SENT = "askr-sent"
"""Header with the time a nested command was sent, in Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the daemon says; a peer without a service is named by its peer name."""

    service: str
    instance: str

    def __str__(self) -> str:
        return f"{self.service}@{self.instance}"


def _nobody_keeps(_work: Awaitable[Any]) -> asyncio.Future[Any]:
    raise RuntimeError("nobody answers this command, so nobody can shield a part of it")


@dataclass(slots=True, kw_only=True)
class Context:
    """One command on its way through its handler; a parameter annotated `Context` gets it.

    Attributes:
        service: the service that was asked.
        command: the command's name inside the service.
        caller: who asks.
        id: the command's id on this connection.
        headers: the caller's own headers.
        hops: depth of nested commands; 0 when a program that answers nothing asked.
        received_ms: when it arrived, Unix milliseconds.
        deadline: on the clock of `clock`, in seconds; infinite for accepted work without a
            timeout of its own.
        clock: the monotonic clock of the event loop.
        tell: takes progress.
        keep: starts what `shield` is given, as work of the agent.
        job: id of the job this is an attempt of; None = the caller waits itself.
        attempt: which attempt of the job it is, from 1; 0 = it is no job.
        is_answered: whether the command has its outcome; what runs on inherits nothing from it.
    """

    service: str
    command: str
    caller: Caller
    id: int
    headers: Mapping[str, str] = field(default_factory=dict)
    hops: int = 0
    received_ms: int = 0
    deadline: float
    clock: Callable[[], float]
    tell: Callable[[Any], None]
    keep: Callable[[Awaitable[Any]], asyncio.Future[Any]] = _nobody_keeps
    job: str | None = None
    attempt: int = 0
    is_answered: bool = False
    _correlation: str = ""
    _trace: str = ""
    _nested: set[asyncio.Task[Any]] | None = None

    @property
    def correlation_id(self) -> str:
        """The name of the chain this command belongs to; made up here when the caller has none."""
        if not self._correlation:
            self._correlation = self.headers.get(CORRELATION) or secrets.token_hex(8)
        return self._correlation

    @property
    def traceparent(self) -> str:
        """This command's place in its trace, by W3C Trace Context; nested commands carry it.

        It has the caller's trace id and a span id of its own. A caller without a trace begins one
        here.
        """
        if not self._trace:
            self._trace = span_below(self.headers)
        return self._trace

    @property
    def is_cancelled(self) -> bool:
        """Whether the command was cancelled; a plain function cannot be interrupted but may ask."""
        return False

    @property
    def sent_ms(self) -> int | None:
        """When the caller sent it by the caller's clock, Unix milliseconds; None if it did not say."""
        text = self.headers.get(SENT, "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, at least 0, maybe infinite; what nested commands get."""
        return max(0.0, self.deadline - self.clock())

    def progress(self, payload: Any = None) -> None:
        """Tells the caller how far the command is.

        Args:
            payload: any JSON value, or bytes. Nothing happens once the command is answered.

        Raises:
            SchemaInvalid: the payload cannot be said in JSON.
        """
        self.tell(payload)

    def shield(self, work: Awaitable[T]) -> Awaitable[T]:
        """Lets a part of the handler finish although the command is cancelled; await it.

        What is shielded has no deadline and is not cancelled; a service that drains waits for it.
        Cancelling the await leaves it running, and its error goes to the log.

        Args:
            work: a coroutine, a task or a future.

        Raises:
            RuntimeError: a plain function called it; nothing interrupts those.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if asyncio.iscoroutine(work):
                work.close()
            raise RuntimeError(
                "shield() is for `async def` handlers; a plain function is never interrupted"
            ) from None
        return asyncio.shield(self.keep(work))

    def sheltered(self) -> "Context":
        """Returns the same context without a deadline, for what outlives a cancelled command."""
        return Context(
            service=self.service,
            command=self.command,
            caller=self.caller,
            id=self.id,
            headers=self.headers,
            hops=self.hops,
            received_ms=self.received_ms,
            deadline=math.inf,
            clock=self.clock,
            tell=self.tell,
            keep=self.keep,
            job=self.job,
            attempt=self.attempt,
            _correlation=self.correlation_id,
            _trace=self.traceparent,
        )

    @contextmanager
    def adopting(self, task: asyncio.Task[Any]) -> Iterator[None]:
        """Has a task that a thread waits for cancelled when the command is; call it in the loop."""
        if self._nested is None:
            self._nested = set()
        self._nested.add(task)
        try:
            yield
        finally:
            self._nested.discard(task)

    def cancel_nested(self) -> None:
        """Cancels what threads wait for on behalf of the command."""
        for task in list(self._nested or ()):
            task.cancel()


def unix_ms() -> int:
    """Returns the wall clock in Unix milliseconds."""
    return time.time_ns() // 1_000_000


CURRENT: ContextVar[Context | None] = ContextVar("askr_context", default=None)
"""The command that the running task answers; what it sends inherits from it."""


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a command sent now inherits from the one that is being answered.

    Attributes:
        timeout: seconds it may take; None = the service's default.
        headers: with the correlation id of the chain.
        hops: its depth.
    """

    timeout: float | None
    headers: dict[str, str] | None
    hops: int


NOTHING_INHERITED = Inheritance(None, None, 0)
"""What a command inherits that nothing was said about, outside of any other."""


def inherit(target: str, timeout: float | None, headers: Mapping[str, str] | None) -> Inheritance:
    """Returns timeout, headers and depth for a command that is sent now.

    Raises:
        DeadlineExceeded: the command being answered has no time left; nothing was sent.
    """
    context = CURRENT.get()
    if context is None and timeout is None and not headers:
        return NOTHING_INHERITED
    own = dict(headers) if headers else None
    if context is None or context.is_answered:
        return Inheritance(timeout, own, 0)
    remaining = context.remaining
    if remaining <= 0:
        raise DeadlineExceeded(
            f"{target} was not sent: the deadline of {context.service}.{context.command}, "
            "which would have sent it, has passed",
            at="client",
        )
    least = remaining if timeout is None else min(timeout, remaining)
    return Inheritance(
        None if least == math.inf else least,
        {**_chain(context), **(own or {})},
        context.hops + 1,
    )


def _chain(context: Context) -> dict[str, str]:
    """Returns the headers that join a nested command to the one it is sent from."""
    chain = {
        CORRELATION: context.correlation_id,
        SENT: str(unix_ms()),
        TRACEPARENT: context.traceparent,
    }
    state = context.headers.get(TRACESTATE)
    if state:
        chain[TRACESTATE] = state
    return chain
