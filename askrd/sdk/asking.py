"""What an agent asks and tells: the same verbs as a client, through its own connection."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Unpack, cast

import msgspec

from askrd.sdk.client import Client
from askrd.sdk.collecting import Collecting
from askrd.sdk.context import CURRENT
from askrd.sdk.errands import errand
from askrd.sdk.hearing import ListenWishes
from askrd.sdk.inquiry import Inquiry
from askrd.sdk.jobs import Jobs
from askrd.sdk.logs import Logs
from askrd.sdk.middleware import Middleware, Passage, PassageKind, pass_through
from askrd.sdk.readers import EventReader
from askrd.sdk.shape import Shape
from askrd.sdk.state import State
from askrd.sdk.streams import Stream
from askrd.sdk.surveys import Survey
from askrd.sdk.values import Emitted, Outcome, Row
from askrd.sdk.wishes import (
    CallWishes,
    CollectWishes,
    SendWishes,
    StreamWishes,
    SurveyWishes,
    TellWishes,
)
from askrd.wire.errors import BadRequest
from askrd.wire.frames import Coding


class Asking(ABC):
    """The asking side of an agent; it needs the agent to run.

    Commands sent while one is answered inherit its remaining time, its correlation id and its
    depth. Every method raises `ConnectionLost` while there is no connection.

    A plain function runs in a thread and cannot await these: it uses `Askr.sync`.
    """

    @property
    @abstractmethod
    def _client(self) -> Client:
        """The connection while the agent runs."""

    @property
    @abstractmethod
    def _around(self) -> Sequence[Middleware]:
        """Middleware, outermost first."""

    @abstractmethod
    def _shape_of(self, event: str) -> Shape | None:
        """What `emits` said about an event."""

    @property
    def workspace_state(self) -> State:
        """The connected state of the whole workspace."""
        return self._client.state

    @property
    def jobs(self) -> Jobs:
        """What queues hold."""
        return self._client.jobs

    @property
    def logs(self) -> Logs:
        """Events that are kept."""
        return self._client.logs

    def send(
        self, target: str, payload: Any = None, **how: Unpack[SendWishes]
    ) -> Coroutine[Any, Any, Any]:
        """Sends a command; await it for the value. Arguments and errors as for `Client.send`."""
        return errand("send", target, self._send(target, payload, how))

    async def _send(self, target: str, payload: Any, how: SendWishes) -> Any:
        if self._around:
            return (await self._call(target, payload, how)).value
        return await self._client.send(target, payload, **how)

    def call(
        self, target: str, payload: Any = None, **how: Unpack[CallWishes]
    ) -> Coroutine[Any, Any, Outcome]:
        """Sends a command; await it for the value with who gave it and how long it took."""
        return errand("call", target, self._call(target, payload, how))

    async def _call(self, target: str, payload: Any, how: SendWishes | CallWishes) -> Outcome:
        async def ask(passage: Passage) -> Outcome:
            wanted = cast("CallWishes", {**how, "headers": passage.headers})
            return await self._client.call(target, passage.payload, **wanted)

        return await self._passed(target, payload, how.get("headers"), ask)

    def tell(
        self, target: str, payload: Any = None, **how: Unpack[TellWishes]
    ) -> Coroutine[Any, Any, Outcome]:
        """Sends a command of which nothing is wanted back; arguments as for `Client.tell`."""
        return errand("tell", target, self._tell(target, payload, how))

    async def _tell(self, target: str, payload: Any, how: TellWishes) -> Outcome:
        async def ask(passage: Passage) -> Outcome:
            wanted = cast("TellWishes", {**how, "headers": passage.headers})
            return await self._client.tell(target, passage.payload, **wanted)

        return await self._passed(target, payload, how.get("headers"), ask)

    async def _passed(
        self,
        target: str,
        payload: Any,
        headers: Mapping[str, str] | None,
        ask: Callable[[Passage], Awaitable[Outcome]],
    ) -> Outcome:
        """Sends a command through the middleware."""
        answers: list[Outcome] = []

        async def inner(passage: Passage) -> Any:
            answers.append(await ask(passage))
            return answers[-1].value

        passage = self._passage(target, payload, headers)
        value = await pass_through(self._around, passage, inner)
        if not answers:
            return Outcome(value, "", "", 0, 0.0)
        return msgspec.structs.replace(answers[-1], value=value)

    def survey(self, target: str, payload: Any = None, **how: Unpack[SurveyWishes]) -> Survey:
        """Asks every instance that the address fits; arguments and use as for `Client.survey`.

        For the middleware it is a send that is over, without a value, as soon as it was sent; so
        is a stream.
        """
        survey = self._client.survey(target, payload, **how)
        return survey.pass_through(partial(self._open, payload)) if self._around else survey

    def stream(self, target: str, payload: Any = None, **how: Unpack[StreamWishes]) -> Stream:
        """Returns an iterator of the items of a command; all as for `Client.stream`."""
        stream = self._client.stream(target, payload, **how)
        return stream.pass_through(partial(self._open, payload)) if self._around else stream

    async def _open(
        self, payload: Any, inquiry: Inquiry, ask: Callable[[], Awaitable[None]]
    ) -> None:
        """Begins a survey or a stream through the middleware."""
        is_asked = False

        async def inner(passage: Passage) -> None:
            nonlocal is_asked
            inquiry.say(passage.payload, passage.headers)
            is_asked = True
            await ask()

        await pass_through(
            self._around, self._passage(inquiry.target, payload, inquiry.headers), inner
        )
        if not is_asked:
            raise BadRequest(
                f"a middleware did not call on for '{inquiry.target}'; it may answer a send by "
                "itself, but no survey and no stream"
            )

    def _passage(self, target: str, payload: Any, headers: Mapping[str, str] | None) -> Passage:
        return Passage(
            kind=PassageKind.SEND,
            name=target,
            payload=payload,
            headers=dict(headers or {}),
            context=CURRENT.get(),
        )

    def emit(
        self,
        event: str,
        payload: Any = None,
        *,
        confirm: bool = False,
        retain: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Coroutine[Any, Any, Emitted | None]:
        """Tells everyone who listens, once it is awaited; arguments as for `Client.emit`.

        Raises:
            SchemaInvalid: the payload is not what `emits` said; nothing was sent.
        """

        async def tell() -> Emitted | None:
            payload_ = self._fitting(event, payload, retain=retain)
            return await self._client.emit(
                event, payload_, confirm=confirm, retain=retain, headers=headers
            )

        return errand("emit", event, tell())

    def collect(
        self, event: str, payload: Any = None, **how: Unpack[CollectWishes]
    ) -> Coroutine[Any, Any, list[Row]]:
        """Tells everyone who listens and returns what they answer; all as for `Client.collect`.

        Raises:
            SchemaInvalid: the payload is not what `emits` said; nothing was sent.
        """

        async def gather() -> list[Row]:
            return await self._client.collect(event, self._fitting(event, payload), **how)

        return errand("collect", event, gather())

    def collecting(
        self, event: str, payload: Any = None, **how: Unpack[CollectWishes]
    ) -> Collecting:
        """Returns an iterator of what listeners answer; all as for `Client.collecting`."""
        return self._client.collecting(event, self._fitting(event, payload), **how)

    def _fitting(self, event: str, payload: Any, *, retain: bool = False) -> Any:
        """Returns the payload of an event as it is sent, checked."""
        shape = self._shape_of(event)
        if shape is None or (retain and payload is None):
            return payload
        data, coding = shape.write(payload, at="request")
        return msgspec.Raw(data) if coding == Coding.JSON else payload

    def listen(
        self,
        *patterns: str,
        count: int | None = None,
        timeout: float | None = None,
        idle: float | None = None,
        gaps: bool = False,
        **how: Unpack[ListenWishes],
    ) -> EventReader:
        """Returns an asynchronous iterator of events; arguments as for `Client.listen`."""
        return self._client.listen(
            *patterns, count=count, timeout=timeout, idle=idle, gaps=gaps, **how
        )

    async def services(self) -> list[dict[str, Any]]:
        """Returns a row per instance of every service in the workspace."""
        return await self._client.services()

    async def peers(self) -> list[dict[str, Any]]:
        """Returns a row per peer in the workspace."""
        return await self._client.peers()

    async def describe(self, target: str) -> dict[str, Any]:
        """Returns what is known about a service, a command or an event."""
        return await self._client.describe(target)

    async def ping(self) -> dict[str, Any]:
        """Returns the daemon's id, version, protocol, build and time."""
        return await self._client.ping()

    async def stats(self) -> dict[str, Any]:
        """Returns the daemon's counters."""
        return await self._client.stats()

    async def wait_for(self, service: str, timeout: float = 10.0) -> dict[str, Any]:
        """Waits until somebody provides ``service``, and returns its row of `services`.

        Raises:
            DeadlineExceeded: nobody did within ``timeout`` seconds.
        """
        return await self._client.wait_for(service, timeout)
