"""A peer inside the daemon: what a foreign tongue asks becomes frames, and frames its answers.

The core speaks frames only. A door that serves a tongue of requests and answers (HTTP) gives each
connection a guest: it says hello for the connection, asks in its name and hands back what comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from askrd.core.session import Session
from askrd.doors.door import Relay
from askrd.doors.exchange import Exchange
from askrd.wire.bodies import Bye, CallOptions, Emitted, ErrorBody, Hello, Json, Welcome, dump, load
from askrd.wire.codec import Raw, decode, encode
from askrd.wire.errors import AskrError, ConnectionLost, PayloadTooLarge, error_from
from askrd.wire.frames import FLAG_SILENT, SIZE_BYTES, Coding, Frame, Kind
from askrd.wire.limits import KIB, SECTION_BYTES_MAX
from askrd.wire.state import DelOptions, EntryOptions, GetOptions, PutOptions, WatchOptions

HEAVY_BYTES = 256 * KIB
"""Unread bytes beyond which a guest takes no more; the core then keeps, bounds and drops."""

_NOTHING = CallOptions()


class Guest:
    """One session of the core, seen from inside.

    Attributes:
        epoch: of the daemon, once it said welcome; `(epoch, seq)` names an event.
        is_draining: whether the daemon is going away.
        on_beat: called when the daemon asks whether the guest lives.
    """

    def __init__(
        self,
        relay: Relay,
        session: Session,
        *,
        kind: str,
        workspace: str = "",
        on_heavy: Callable[[bool], None],
    ) -> None:
        """Prepares; `open` says hello.

        Args:
            relay: who carries frames to the core.
            session: the connection's; not opened yet.
            kind: the peer's kind, which is its name, too.
            workspace: where it belongs; empty = the daemon's own.
            on_heavy: learns whether the guest takes no more, and that it does again.
        """
        self.epoch = ""
        self.is_draining = False
        self.on_beat: Callable[[], None] = lambda: None
        self._relay = relay
        self._session = session
        self._on_heavy = on_heavy
        self._is_heavy = False
        self._weight = 0
        self._last_id = 0
        self._open: dict[int, Exchange] = {}
        self._hearing: Exchange | None = None
        self._watch_id = 0
        self._fault: AskrError | None = None
        self._hello = Hello(v=1, name=kind, kind=kind, workspace=workspace, streams=True)

    def open(self) -> None:
        """Says hello; the door hands what the core writes to `take` from now on."""
        self.say(Frame(kind=Kind.HELLO, payload=dump(self._hello), coding=Coding.JSON))

    # ── frames ────────────────────────────────────────────────────────────────────────────

    def say(self, frame: Frame) -> None:
        """Says one frame to the core."""
        if self._fault is None:
            self._relay.received(self._session, encode(frame))

    def take(self, pieces: list[Raw]) -> None:
        """Takes in whole frames that the relay wrote, given in pieces."""
        data = b"".join(pieces)
        at = 0
        while at < len(data):
            end = at + SIZE_BYTES + int.from_bytes(data[at : at + SIZE_BYTES], "little")
            self._heard(decode(data[at:end]))
            at = end

    def _heard(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.EVENT | Kind.GAP:
                if self._hearing is not None:
                    self._hearing.take(frame)
            case Kind.CHANGE:
                options = load(EntryOptions, frame.options, "change")
                self._hand_over(options.watch or self._watch_id, frame)
            case Kind.PING:
                pong = Frame(kind=Kind.PONG, id=frame.id)
                asyncio.get_running_loop().call_soon(self.say, pong)
                self.on_beat()
            case Kind.WELCOME:
                self.epoch = load(Welcome, frame.payload, "welcome").epoch
            case Kind.DRAIN:
                self.is_draining = True
            case Kind.BYE:
                self._lose(load(Bye, frame.payload, "bye").reason)
            case Kind.ERROR if frame.id == 0:
                body = load(ErrorBody, frame.payload, "error")
                self.end(error_from(body.code, body.message, details=body.details, at="daemon"))
            case _:
                self._hand_over(frame.id, frame)

    def _hand_over(self, id_: int, frame: Frame) -> None:
        exchange = self._open.get(id_)
        if exchange is not None:
            exchange.take(frame)
            if exchange.is_over:
                del self._open[id_]

    def _lose(self, reason: str) -> None:
        self.end(ConnectionLost(f"the daemon said goodbye: {reason}", at="daemon"))

    def end(self, fault: AskrError) -> None:
        """Ends every request with ``fault``; later ones fail with it at once."""
        if self._fault is None:
            self._fault = fault
        for exchange in [*self._open.values(), *filter(None, (self._hearing,))]:
            exchange.give_up(self._fault)
        self._open.clear()

    def _weigh(self, more: int) -> None:
        self._weight += more
        is_heavy = self._weight > HEAVY_BYTES
        if is_heavy is not self._is_heavy:
            self._is_heavy = is_heavy
            self._on_heavy(is_heavy)

    def _begin(self, make: Callable[[int], Frame]) -> Exchange:
        if self._fault is not None:
            raise self._fault
        self._last_id += 1
        exchange = Exchange(self._last_id, self.say, self._weigh)
        self._open[exchange.id] = exchange
        self.say(make(exchange.id))
        return exchange

    # ── commands ──────────────────────────────────────────────────────────────────────────

    def call(
        self,
        address: str,
        payload: Raw = b"",
        coding: int = Coding.NONE,
        *,
        ttl_ms: int = 0,
        options: CallOptions = _NOTHING,
        headers: dict[str, str] | None = None,
        silent: bool = False,
    ) -> Exchange:
        """Sends a command; what comes back is the exchange's.

        Args:
            address: of the command, as peers write it.
            payload: the argument.
            coding: of the payload, a `Coding`.
            ttl_ms: how long it may take; 0 = as the service says.
            options: what is wanted beside an answer.
            headers: for the service.
            silent: whether nobody is to answer.

        Raises:
            AskrError: the guest has ended, or name or headers are too large for a frame.
        """
        head = dump(headers) if headers else b""
        said = dump(options) if options != _NOTHING else b""
        _check_sections(head, said)
        return self._begin(
            lambda id_: Frame(
                kind=Kind.CALL,
                id=id_,
                name=_named(address),
                payload=bytes(payload),
                coding=coding,
                ttl_ms=ttl_ms,
                head=head,
                options=said,
                flags=FLAG_SILENT if silent else 0,
            )
        )

    async def ask(self, address: str, argument: Json = None) -> Json:
        """Returns the value of one of the daemon's own commands.

        Raises:
            AskrError: it failed.
        """
        payload = b"" if argument is None else dump(argument)
        reply = await self.call(address, payload, Coding.JSON if payload else Coding.NONE).value()
        return msgspec.json.decode(reply.payload or b"null")

    # ── events ────────────────────────────────────────────────────────────────────────────

    async def emit(self, subject: str, payload: Raw, coding: int) -> Emitted:
        """Emits an event and returns how many heard it.

        Raises:
            AskrError: it was refused.
        """
        reply = await self._begin(
            lambda id_: Frame(
                kind=Kind.EMIT, id=id_, name=_named(subject), payload=bytes(payload), coding=coding
            )
        ).next()
        return load(Emitted, reply.payload, "emitted")

    async def listen(self, pattern: str, options: bytes = b"") -> Exchange:
        """Subscribes, and returns where events and gaps come from then on; one at a time.

        Args:
            pattern: of subjects.
            options: OPTIONS of the `sub` frame.

        Raises:
            AskrError: it was refused.
        """
        hearing = self._hearing = Exchange(0, self.say, self._weigh)
        subbed = self._begin(
            lambda id_: Frame(kind=Kind.SUB, id=id_, name=_named(pattern), options=options)
        )
        await subbed.next()
        return hearing

    # ── state ─────────────────────────────────────────────────────────────────────────────

    async def get(self, key: str) -> Frame:
        """Returns the `ok` frame that holds an entry.

        Raises:
            AskrError: there is none, or the key is none.
        """
        return await self._begin(lambda id_: Frame(kind=Kind.GET, id=id_, name=_named(key))).next()

    async def entries(self, prefix: str) -> AsyncIterator[Frame]:
        """Gives a `change` frame for every entry at or below ``prefix``.

        Raises:
            AskrError: the prefix is none.
        """
        asked = self._begin(
            lambda id_: Frame(
                kind=Kind.GET, id=id_, name=_named(prefix), options=dump(GetOptions(prefix=True))
            )
        )
        while (frame := await asked.next()).kind != Kind.OK:
            yield frame

    def watch(self, prefix: str, since: int | None = None) -> Exchange:
        """Watches a prefix; what there is and every change are the exchange's; one at a time.

        Args:
            prefix: of keys; empty = everything but the daemon's own.
            since: the changes after this revision come in place of what there is.
        """
        options = b"" if since is None else dump(WatchOptions(since=since))
        watching = self._begin(
            lambda id_: Frame(kind=Kind.WATCH, id=id_, name=_named(prefix), options=options)
        )
        self._watch_id = watching.id
        return watching

    async def put(self, key: str, payload: Raw, coding: int, options: PutOptions) -> Frame:
        """Writes an entry; returns the `ok` frame.

        Raises:
            AskrError: it was refused; nothing was written.
        """
        return await self._begin(
            lambda id_: Frame(
                kind=Kind.PUT,
                id=id_,
                name=_named(key),
                payload=bytes(payload),
                coding=coding,
                options=dump(options),
            )
        ).next()

    async def delete(self, key: str, options: DelOptions) -> Frame:
        """Takes an entry away; returns the `ok` frame.

        Raises:
            AskrError: it was refused; nothing was written.
        """
        return await self._begin(
            lambda id_: Frame(kind=Kind.DEL, id=id_, name=_named(key), options=dump(options))
        ).next()


def _named(name: str) -> bytes:
    """Returns a name as a frame carries it; whether it is one is the core's to say."""
    named = name.encode()
    if len(named) >= 1 << 16:
        raise PayloadTooLarge(f"a name of {len(named)} bytes fits into no frame", at="daemon")
    return named


def _check_sections(head: bytes, options: bytes) -> None:
    for what, section in (("headers", head), ("options", options)):
        if len(section) > SECTION_BYTES_MAX:
            raise PayloadTooLarge(
                f"the {what} take {len(section)} bytes, more than {SECTION_BYTES_MAX}", at="daemon"
            )
