"""The state side of a conversation: reading, writing and watching entries."""

from askrd.sdk import composition
from askrd.sdk.exchange import Exchange
from askrd.sdk.requests import NEVER, Promise
from askrd.sdk.watches import Watch
from askrd.wire import bodies
from askrd.wire.bodies import EntryOptions
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.frames import Frame, Kind


class Keys:
    """The connected state as one conversation sees it."""

    __slots__ = ("_collected", "_exchange", "_watches")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._watches: dict[int, Watch] = {}
        self._collected: dict[int, list[Frame]] = {}

    def get(self, key: str, promise: Promise, guard_at: float = NEVER) -> int:
        """Reads an entry; the promise gets the `ok` frame.

        Raises:
            BadRequest: no entry can lie at ``key``.
            ConnectionLost: there is no connection; nothing was sent.
        """
        name = composition.key_bytes(key)
        return self._exchange.ask(
            lambda id_: composition.plain_frame(Kind.GET, id_, name, b"", 0), promise, guard_at
        )

    def entries(
        self, prefix: str, into: list[Frame], promise: Promise, guard_at: float = NEVER
    ) -> int:
        """Reads every entry at or below ``prefix``; the promise gets the `ok` frame at the end.

        Args:
            prefix: empty for everything.
            into: gets one `change` frame per entry, before the promise is kept.
            promise: who waits.
            guard_at: when to give up even if the daemon stays silent.

        Raises:
            BadRequest: it is no prefix.
            ConnectionLost: there is no connection; nothing was sent.
        """
        name = composition.prefix_bytes(prefix)
        id_ = self._exchange.ask(
            lambda id_: composition.option_frame(Kind.GET, id_, name, {"prefix": True}),
            promise,
            guard_at,
        )
        self._collected[id_] = into
        return id_

    def put(
        self,
        key: str,
        payload: bytes,
        coding: int,
        if_rev: int | None,
        promise: Promise,
        guard_at: float = NEVER,
    ) -> int:
        """Writes an entry; the promise gets the `ok` frame.

        Args:
            key: where it lies.
            payload: encoded value.
            coding: what its bytes are.
            if_rev: write only if the entry has this rev, 0 = must not exist; None = in any case.
            promise: who waits.
            guard_at: when to give up even if the daemon stays silent.

        Raises:
            BadRequest: no entry can lie at ``key``.
            PayloadTooLarge: the daemon would not take it.
            ConnectionLost: there is no connection; nothing was sent.
        """
        name = composition.key_bytes(key)
        self._exchange.check(payload)
        options = {} if if_rev is None else {"if_rev": if_rev}
        return self._exchange.ask(
            lambda id_: composition.option_frame(Kind.PUT, id_, name, options, payload, coding),
            promise,
            guard_at,
        )

    def delete(
        self, key: str, if_rev: int | None, promise: Promise, guard_at: float = NEVER
    ) -> int:
        """Deletes an entry; the promise gets the `ok` frame.

        Raises:
            BadRequest: no entry can lie at ``key``.
            ConnectionLost: there is no connection; nothing was sent.
        """
        name = composition.key_bytes(key)
        options = {} if if_rev is None else {"if_rev": if_rev}
        return self._exchange.ask(
            lambda id_: composition.option_frame(Kind.DEL, id_, name, options), promise, guard_at
        )

    def watch(
        self, watch: Watch, *, promise: Promise | None = None, guard_at: float = NEVER
    ) -> int:
        """Watches a part of the state on this connection and all that follow.

        Returns:
            the id for `unwatch`; the promise gets the `synced` frame.

        Raises:
            BadRequest: its prefix is none.
        """
        name = composition.prefix_bytes(watch.prefix)
        id_ = self._exchange.stand(
            lambda id_: composition.plain_frame(Kind.WATCH, id_, name, b"", 0), promise, guard_at
        )
        self._watches[id_] = watch
        return id_

    def unwatch(self, id_: int) -> None:
        """Ends a watch; nothing happens when it has ended."""
        if self._watches.pop(id_, None) is not None:
            self._exchange.fall(id_)
            if self._exchange.connected:
                self._exchange.write(composition.plain_frame(Kind.UNWATCH, id_, b"", b"", 0))

    def forget(self, id_: int) -> None:
        """Drops a reading nobody waits for any more."""
        self._collected.pop(id_, None)

    def opened(self) -> None:
        """Takes note that every watch begins anew, with a snapshot."""
        self._collected.clear()
        for watch in self._watches.values():
            watch.restart()

    def welcomed(self, epoch: str) -> None:
        """Takes note of whose revisions follow."""
        for watch in self._watches.values():
            watch.begin(epoch)

    def fail(self, id_: int, error: AskrError) -> bool:
        """Ends the watch ``id_`` with an error; False when it is none."""
        watch = self._watches.pop(id_, None)
        if watch is None:
            return False
        self._exchange.fall(id_)
        watch.fail(error)
        return True

    def end(self, error: AskrError) -> None:
        """Ends every watch with an error."""
        for id_ in list(self._watches):
            self.fail(id_, error)

    def take_change(self, frame: Frame) -> None:
        """Takes a `change` frame, of a snapshot or live."""
        options = options_of(frame)
        if options.watch in self._collected:
            self._collected[options.watch].append(frame)
        elif options.watch:
            if watch := self._watches.get(options.watch):
                watch.tell_kept(frame, options)
        else:
            for watch in self._watches.values():
                watch.tell(frame, options)

    def take_synced(self, frame: Frame) -> None:
        """Takes the end of a snapshot."""
        watch = self._watches.get(frame.id)
        if watch is not None:
            try:
                rev = bodies.load(bodies.Synced, frame.payload, "synced").rev
            except BadRequest:
                rev = 0
            watch.synced(rev)


def options_of(frame: Frame) -> EntryOptions:
    """Returns what stands beside a state value; defaults when the daemon says something else."""
    try:
        return bodies.load(EntryOptions, frame.options or b"{}", "options")
    except BadRequest:
        return EntryOptions()
