"""The state side of a conversation: reading, writing and watching entries."""

from askrd.sdk import composition
from askrd.sdk.exchange import Exchange
from askrd.sdk.requests import NEVER, Promise
from askrd.sdk.watches import Watch
from askrd.wire import bodies
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.frames import FLAG_KEPT, Frame, Kind
from askrd.wire.state import DelOptions, EntryOptions, GetOptions, PutOptions, Synced, WatchOptions

_PUT_PLAINLY = PutOptions()
_DEL_PLAINLY = DelOptions()


class Keys:
    """The connected state as one conversation sees it."""

    __slots__ = ("_collected", "_epoch", "_exchange", "_watches")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._watches: dict[int, Watch] = {}
        self._collected: dict[int, list[Frame]] = {}
        self._epoch = ""

    def get(self, key: str, promise: Promise, guard_at: float = NEVER) -> int:
        """Reads an entry; the promise gets the `ok` frame.

        Raises:
            BadRequest: no entry can lie at ``key``.
            ConnectionLost: there is no connection; nothing was sent.
        """
        name = composition.key_bytes(key)
        return self._exchange.ask(
            lambda id_: composition.plain_frame(Kind.GET, id_, name, b"", 0),
            promise,
            guard_at,
            is_reading=True,
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
        return self._collect(name, GetOptions(prefix=True), into, promise, guard_at)

    def history(
        self, key: str, count: int, into: list[Frame], promise: Promise, guard_at: float = NEVER
    ) -> int:
        """Reads the last changes of an entry; the promise gets the `ok` frame at the end.

        Args:
            key: where it lies, or lay.
            count: how many at most.
            into: gets one `change` frame per change, newest first.
            promise: who waits.
            guard_at: when to give up even if the daemon stays silent.

        Raises:
            BadRequest: no entry can lie at ``key``, or ``count`` is not above 0.
            ConnectionLost: there is no connection; nothing was sent.
        """
        if count < 1:
            raise BadRequest(f"count={count}: ask for at least one change")
        return self._collect(
            composition.key_bytes(key), GetOptions(history=count), into, promise, guard_at
        )

    def put(
        self,
        key: str,
        payload: bytes,
        coding: int,
        how: PutOptions,
        promise: Promise,
        guard_at: float = NEVER,
    ) -> int:
        """Writes an entry; the promise gets the `ok` frame.

        Args:
            key: where it lies.
            payload: encoded value, or what else the op of ``how`` takes.
            coding: what its bytes are.
            how: what is wanted beside.
            promise: who waits.
            guard_at: when to give up even if the daemon stays silent.

        Raises:
            BadRequest: no entry can lie at ``key``.
            PayloadTooLarge: the daemon would not take it.
            ConnectionLost: there is no connection; nothing was sent.
        """
        self._exchange.check(payload)
        return self._write(Kind.PUT, key, payload, coding, how, promise, guard_at)

    def delete(self, key: str, how: DelOptions, promise: Promise, guard_at: float = NEVER) -> int:
        """Deletes an entry; the promise gets the `ok` frame.

        Raises:
            BadRequest: no entry can lie at ``key``.
            ConnectionLost: there is no connection; nothing was sent.
        """
        return self._write(Kind.DEL, key, b"", 0, how, promise, guard_at)

    def _write(
        self,
        kind: Kind,
        key: str,
        payload: bytes,
        coding: int,
        how: PutOptions | DelOptions,
        promise: Promise,
        guard_at: float,
    ) -> int:
        name = composition.key_bytes(key)
        if how in (_PUT_PLAINLY, _DEL_PLAINLY):
            return self._exchange.ask(
                lambda id_: composition.plain_frame(kind, id_, name, payload, coding),
                promise,
                guard_at,
            )
        return self._exchange.ask(
            lambda id_: composition.option_frame(kind, id_, name, how, payload, coding),
            promise,
            guard_at,
        )

    def _collect(
        self,
        name: bytes,
        options: GetOptions,
        into: list[Frame],
        promise: Promise,
        guard_at: float,
    ) -> int:
        id_ = self._exchange.ask(
            lambda id_: composition.option_frame(Kind.GET, id_, name, options),
            promise,
            guard_at,
            is_reading=True,
        )
        self._collected[id_] = into
        return id_

    def watch(
        self, watch: Watch, *, promise: Promise | None = None, guard_at: float = NEVER
    ) -> int:
        """Watches a part of the state on this connection and all that follow.

        Returns:
            the id for `unwatch`; the promise gets the `synced` frame.

        Raises:
            BadRequest: its prefix is none.
        """
        composition.prefix_bytes(watch.prefix)
        id_ = self._exchange.stand(lambda id_: _watch_frame(id_, watch), promise, guard_at)
        self._watches[id_] = watch
        if self._exchange.connected:
            watch.begin(self._epoch)
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

    def lost(self) -> None:
        """Takes note that a connection is lost: what goes on from a revision goes on from here."""
        for id_, watch in self._watches.items():
            if watch.since is not None:
                self._exchange.stand_as(id_, _watch_frame(id_, watch))

    def opened(self) -> None:
        """Takes note that every watch begins anew."""
        self._collected.clear()
        for watch in self._watches.values():
            watch.restart()

    def welcomed(self, epoch: str) -> None:
        """Takes note of whose revisions follow."""
        self._epoch = epoch
        for id_, watch in list(self._watches.items()):
            error = watch.begin(epoch)
            if error is not None:
                self._exchange.requests.fail(id_, error)
                self.unwatch(id_)
                watch.fail(error)

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
                if frame.flags & FLAG_KEPT:
                    watch.tell_kept(frame, options)
                else:
                    watch.tell_missed(frame, options)
        else:
            for watch in self._watches.values():
                watch.tell(frame, options)

    def take_synced(self, frame: Frame) -> None:
        """Takes the end of a snapshot."""
        watch = self._watches.get(frame.id)
        if watch is not None:
            try:
                rev = bodies.load(Synced, frame.payload, "synced").rev
            except BadRequest:
                rev = 0
            watch.synced(rev)


def _watch_frame(id_: int, watch: Watch) -> bytes:
    options = None if watch.since is None else WatchOptions(since=watch.since)
    return composition.option_frame(Kind.WATCH, id_, watch.prefix.encode(), options)


def options_of(frame: Frame) -> EntryOptions:
    """Returns what stands beside a state value; defaults when the daemon says something else."""
    try:
        return bodies.load(EntryOptions, frame.options or b"{}", "options")
    except BadRequest:
        return EntryOptions()
