"""Agents and the real router in one process, for tests without sockets."""

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from askrd.sdk.askr import Askr
from askrd.sdk.client import Client
from askrd.sdk.jobs import Jobs
from askrd.sdk.life import Life, Voice
from askrd.sdk.logs import Logs
from askrd.sdk.readers import EventReader
from askrd.sdk.service import Service
from askrd.sdk.state import State
from askrd.sdk.streams import Stream
from askrd.sdk.surveys import Survey
from askrd.sdk.timers import Timers
from askrd.sdk.values import Emitted, Event, Outcome, Row
from askrd.testing.memory_daemon import MemoryDaemon
from askrd.testing.memory_transport import URL, MemoryDoor
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.names import WORKSPACE_DEFAULT, check_pattern, parse_address, pattern_matches

EVENTS_MAX = 10_000
"""Events kept for `TestAskr.next_event`; the oldest go first."""

Result = TypeVar("Result")


def run(story: Coroutine[Any, Any, Result]) -> Result:
    """Runs a test's coroutine in virtual time and returns its result.

    A deadline of 30 s passes at once; threads of synchronous handlers are waited for.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(story)


class Stub:
    """A command that answers what a test said.

    Attributes:
        calls: the payloads it was asked with, oldest first.
    """

    def __init__(self, answer: Any) -> None:
        self.calls: list[Any] = []
        self._answer = answer

    async def __call__(self, payload: Any = None) -> Any:
        """Answers a command."""
        self.calls.append(payload)
        answer = self._answer
        if isinstance(answer, AskrError):
            raise answer
        if callable(answer):
            answer = answer(payload)
            if asyncio.iscoroutine(answer):
                answer = await answer
        return answer

    @property
    def function(self) -> Callable[..., Any]:
        """What is registered: an asynchronous generator in place of one, else itself."""
        return self._stream if inspect.isasyncgenfunction(self._answer) else self

    async def _stream(self, payload: Any = None) -> AsyncIterator[Any]:
        self.calls.append(payload)
        async for item in self._answer(payload):
            yield item


class TestAskr:
    """Agents that run against the real router in memory, and a client beside them.

    ``async with TestAskr(agent) as askr:`` connects every agent; then ask, listen and look.
    In a loop of virtual time, see `run`, nothing has to be waited for.

    Attributes:
        daemon: the router's side; `lose` and `door` play a daemon that goes away.
    """

    __test__ = False

    def __init__(self, *agents: Askr, workspace: str = WORKSPACE_DEFAULT, seed: int = 0) -> None:
        """Prepares.

        Args:
            *agents: run while the context lasts.
            workspace: where peers go that name none.
            seed: from which the daemon's ids are made.
        """
        self._agents = agents
        self._workspace = workspace
        self._seed = seed
        self._events: deque[Event[Any]] = deque(maxlen=EVENTS_MAX)
        self._heard = asyncio.Event()
        self._stubs: Life | None = None
        self._services: dict[str, Service] = {}
        self._stubbed: list[tuple[str, Stub]] = []
        self._is_running = False

    async def __aenter__(self) -> Self:
        self.daemon = MemoryDaemon(workspace=self._workspace, seed=self._seed)
        self.door = MemoryDoor(self.daemon)
        self._client = Client(URL, name="test", dial=self.door)
        self._client.on("**", self._hear)
        self._stubs = Life(
            Voice(URL, None, "stubs", dial=self.door),
            name="stubs",
            services=self._services,
            listeners=(),
            skins=(),
            timers=Timers(),
            hooks={"connected": [], "disconnected": []},
        )
        await self._stubs.begin()
        await self._client.connect()
        self._is_running = True
        for address, made in self._stubbed:
            self._offer(address, made)
        for agent in self._agents:
            await agent.connect(url=URL, dial=self.door)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_running = False
        for agent in self._agents:
            await agent.close()
        if self._stubs is not None:
            await self._stubs.drain(0.0)
        await self._client.close()
        self.daemon.stop()

    # --- asking -----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The connected state of the workspace."""
        return self._client.state

    @property
    def jobs(self) -> Jobs:
        """What queues hold."""
        return self._client.jobs

    @property
    def logs(self) -> Logs:
        """Events that are kept."""
        return self._client.logs

    async def send(self, target: str, payload: Any = None, **options: Any) -> Any:
        """Sends a command and returns its value, as `Client.send` does."""
        return await self._client.send(target, payload, **options)

    async def call(self, target: str, payload: Any = None, **options: Any) -> Outcome:
        """Sends a command and returns its outcome, as `Client.call` does."""
        return await self._client.call(target, payload, **options)

    async def tell(self, target: str, payload: Any = None, **options: Any) -> None:
        """Sends a command without an answer, as `Client.tell` does."""
        await self._client.tell(target, payload, **options)

    def survey(self, target: str, payload: Any = None, **options: Any) -> Survey:
        """Asks several instances, as `Client.survey` does."""
        return self._client.survey(target, payload, **options)

    def stream(self, target: str, payload: Any = None, **options: Any) -> Stream:
        """Sends a command that is answered by items, as `Client.stream` does."""
        return self._client.stream(target, payload, **options)

    async def emit(self, event: str, payload: Any = None, **options: Any) -> Emitted | None:
        """Tells everyone who listens, as `Client.emit` does."""
        return await self._client.emit(event, payload, **options)

    async def collect(self, event: str, payload: Any = None, **options: Any) -> list[Row]:
        """Tells everyone who listens and returns what they answer, as `Client.collect` does."""
        return await self._client.collect(event, payload, **options)

    def listen(self, *patterns: str, **options: Any) -> EventReader:
        """Returns an iterator of events, as `Client.listen` does."""
        return self._client.listen(*patterns, **options)

    async def services(self) -> list[dict[str, Any]]:
        """Returns a row per instance, as `Client.services` does."""
        return await self._client.services()

    async def describe(self, target: str) -> dict[str, Any]:
        """Returns what is known about something, as `Client.describe` does."""
        return await self._client.describe(target)

    async def next_event(self, pattern: str = "**", timeout: float = 10.0) -> Event[Any]:
        """Returns the next event that fits, also one that came before this was called.

        Each event is returned once. Events of the daemon (`$askr...`) are not kept.

        Args:
            pattern: which events.
            timeout: seconds to wait for one.

        Raises:
            TimeoutError: none came.
        """
        check_pattern(pattern)
        async with asyncio.timeout(timeout):
            while True:
                for event in self._events:
                    if pattern_matches(pattern, event.subject):
                        self._events.remove(event)
                        return event
                self._heard.clear()
                await self._heard.wait()

    async def _hear(self, event: Event[Any]) -> None:
        self._events.append(event)
        self._heard.set()

    # --- the world around the agents --------------------------------------------------------

    async def advance(self, seconds: float) -> None:
        """Lets virtual time pass; what becomes due happens before it returns.

        Raises:
            BadRequest: the loop runs in real time; run the test with `askrd.testing.run`.
        """
        if not isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
            raise BadRequest("time passes by itself in this loop; run with askrd.testing.run")
        await asyncio.sleep(seconds)

    def stub(self, address: str, answer: Any) -> Stub:
        """Offers a command that answers ``answer``, in place of a service that is not there.

        Args:
            address: `service.command`.
            answer: a value; an error of askr, which is raised; a function of the payload; or an
                asynchronous generator of the payload, which makes it a stream.

        Raises:
            BadRequest: the address does not name a service and a command, or is stubbed already.
        """
        made = Stub(answer)
        if self._is_running:
            self._offer(address, made)
        else:
            self._stubbed.append((address, made))
        return made

    def _offer(self, address: str, made: Stub) -> None:
        parsed = parse_address(address)
        if parsed.service is None or self._stubs is None:
            raise BadRequest(f"stub('{address}'): name the service too, as in 'agent.fetch'")
        service = self._services.get(parsed.service)
        if service is None:
            service = self._services[parsed.service] = Service(parsed.service)
            service.on_change = self._stubs.offer
        service.command(parsed.command)(made.function)

    async def lose(self, agent: Askr) -> None:
        """Cuts the connection of an agent, as a pulled cable would; it comes back by itself."""
        for connection in self.daemon.connections:
            if connection.session.name == agent.name:
                connection.lose()
        await asyncio.sleep(0)
