"""The part of the state that belongs to an agent's service: `agent.state`."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar, Unpack

import msgspec

from askrd.sdk.conversation import Conversation
from askrd.sdk.followers import Follower
from askrd.sdk.state import State
from askrd.sdk.values import Change, Entry, Synced, Touched
from askrd.sdk.view import View
from askrd.sdk.watches import Watch
from askrd.sdk.work import Work
from askrd.sdk.writing import DeleteWishes, MergeWishes, SetWishes
from askrd.wire.errors import AskrError, ConnectionLost, NotFound

LOG = logging.getLogger("askrd.sdk")
F = TypeVar("F", bound=Callable[..., Any])


class Own:
    """The entries below `@service/`, by the rest of their keys; only this service may write them.

    Every instance of the service shares them. Reading and writing need the agent to run;
    `on_change` does not.
    """

    __slots__ = ("_conversation", "_followers", "_id", "_is_whole", "_prefix", "_state", "_work")

    def __init__(self, service: str, state: Callable[[], State]) -> None:
        """Prepares.

        Args:
            service: whose part it is.
            state: returns the state while the agent runs.
        """
        self._prefix = f"@{service}/"
        self._state = state
        self._followers: list[Follower] = []
        self._is_whole = False
        self._conversation: Conversation | None = None
        self._work: Work | None = None
        self._id: int | None = None

    # --- reading ----------------------------------------------------------------------------

    async def get(self, key: str, default: Any = None, *, as_: Any = None) -> Any:
        """Returns the value at ``key``, or ``default`` when there is none.

        Args:
            key: where it lies, without `@service/`.
            default: what stands for a missing entry.
            as_: a type to decode and check the value as.

        Raises:
            SchemaInvalid: the value does not fit ``as_``.
            AskrError: the request failed; the code says why.
        """
        try:
            return (await self._state().get(self._prefix + key, as_=as_)).value
        except NotFound:
            return default

    async def entry(self, key: str, *, as_: Any = None) -> Entry:
        """Returns the entry at ``key`` with its revision, as `State.get` does.

        Raises:
            NotFound: there is none.
        """
        return self._named(await self._state().get(self._prefix + key, as_=as_))

    async def items(self) -> list[tuple[str, Any]]:
        """Returns every key with its value, in key order."""
        return [(entry.key, entry.value) for entry in await self.entries()]

    async def entries(self) -> list[Entry]:
        """Returns every entry, in key order."""
        return [self._named(entry) for entry in await self._state().entries(self._prefix)]

    def view(self) -> View:
        """Returns a copy that keeps itself current; see `View`."""
        return self._state().view(self._prefix, relative=True)

    # --- writing ----------------------------------------------------------------------------

    async def set(self, key: str, value: Any, **how: Unpack[SetWishes]) -> Entry:
        """Writes ``value`` at ``key``; arguments and errors as for `State.set`."""
        return self._named(await self._state().set(self._prefix + key, value, **how))

    async def patch(self, key: str, patch: Any, **how: Unpack[MergeWishes]) -> Entry:
        """Merges ``patch`` into the entry; arguments and errors as for `State.patch`."""
        return self._named(await self._state().patch(self._prefix + key, patch, **how))

    async def incr(self, key: str, by: int = 1, **how: Unpack[MergeWishes]) -> Entry:
        """Counts the entry up; arguments and errors as for `State.incr`."""
        return self._named(await self._state().incr(self._prefix + key, by, **how))

    async def touch(
        self, key: str, ttl: float | None = None, **how: Unpack[DeleteWishes]
    ) -> Touched:
        """Lets the entry live longer; arguments and errors as for `State.touch`."""
        answer = await self._state().touch(self._prefix + key, ttl, **how)
        return msgspec.structs.replace(answer, key=key)

    async def delete(self, key: str, **how: Unpack[DeleteWishes]) -> int:
        """Deletes the entry; arguments and errors as for `State.delete`."""
        return await self._state().delete(self._prefix + key, **how)

    # --- changes ----------------------------------------------------------------------------

    def on_change(self, function: F) -> F:
        """Calls a function with each `Change`, or with nothing when it takes nothing.

        Changes that this agent makes count too; what is there when it starts does not. The
        function gets one change at a time, in order, and when it is slow the newest per key. A
        plain function runs in a thread. Works as a decorator: ``@agent.state.on_change``.

        Raises:
            BadRequest: it takes something else.
        """
        follower = Follower(function, in_thread=True)
        self._followers.append(follower)
        if self._work is not None:
            follower.start(self._work)
            self._begin_to_watch()
        return function

    def start(self, conversation: Conversation, work: Work) -> None:
        """Lets functions be called from now on."""
        self._conversation = conversation
        self._work = work
        self._is_whole = False
        for follower in self._followers:
            follower.start(work)
        if self._followers:
            self._begin_to_watch()

    def stop(self) -> None:
        """Lets nothing be called any more; calls that run go on."""
        for follower in self._followers:
            follower.stop()
        if self._conversation is not None and self._id is not None:
            self._conversation.keys.unwatch(self._id)
        self._conversation = self._work = self._id = None

    def _begin_to_watch(self) -> None:
        if self._conversation is not None and self._id is None:
            watch = Watch(self._prefix, self._take, self._fail)
            self._id = self._conversation.keys.watch(watch)

    def _take(self, item: Change | Synced) -> None:
        if isinstance(item, Synced):
            self._is_whole = True
        elif self._is_whole:
            change = item.with_key(item.key.removeprefix(self._prefix))
            for follower in self._followers:
                follower.take(change)

    def _fail(self, error: AskrError) -> None:
        level = logging.DEBUG if isinstance(error, ConnectionLost) else logging.ERROR
        LOG.log(level, "changes of %s are told no more: %s", self._prefix, error)

    def _named(self, entry: Entry) -> Entry:
        return msgspec.structs.replace(entry, key=entry.key.removeprefix(self._prefix))
