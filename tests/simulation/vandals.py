"""Peers that break every rule; the world must not notice."""

from __future__ import annotations

from askrd.wire.bodies import dump
from askrd.wire.codec import decode, encode, split
from askrd.wire.frames import FLAG_MORE, FLAG_OPTIONS, FLAG_UP, HEADER, Coding, Frame, Kind
from askrd.wire.limits import SKIP_BYTES_MAX
from tests.simulation.peers import Peer

FORGED = dump({"t": "forged", "by": "agent@forged", "i": 0})


class Vandal(Peer):
    """Says what no peer may say, at random."""

    def begin(self) -> None:
        """It began before it was welcome."""

    def start(self) -> None:
        if self.world.chance.random() < 0.8:
            super().start()
        self._go_on()

    def _go_on(self) -> None:
        if not self.world.is_busy or not self.connection.is_open:
            return
        self.connection.send(self._something())
        self.world.later(self.world.chance.randint(1_000, 400_000), self._go_on)

    def _something(self) -> bytes:
        chance = self.world.chance
        return chance.choice(
            (
                self._forged, self._forged, self._unknown, self._stamped, self._flagged,
                self._mutated, self._noise, self._half, self._oversize, self._fatal,
                self._parts, self._group, self._contradicting, self._nameless, self._again,
                self._streamed, self._streamed, self._wanting, self._absurd,
            )
        )()  # fmt: skip

    def _forged(self) -> bytes:
        chance = self.world.chance
        kind = chance.choice((Kind.REPLY, Kind.PROGRESS, Kind.FAIL, Kind.CANCEL))
        id_ = chance.choice((0, 1, 2, 3, 9, 2**53 - 1))
        return encode(Frame(kind=kind, id=id_, payload=FORGED, coding=Coding.JSON))

    def _unknown(self) -> bytes:
        chance = self.world.chance
        kind = chance.choice((0, Kind.WELCOME, Kind.EVENT, Kind.CHANGE, Kind.CREDIT, 0x7F, 0xFF))
        return encode(Frame(kind=kind, id=chance.randint(0, 9)))

    def _stamped(self) -> bytes:
        return encode(Frame(kind=Kind.CALL, id=4, name=b"agent.fetch", stamp=b"me@you"))

    def _flagged(self) -> bytes:
        chance = self.world.chance
        kind = chance.choice((Kind.CALL, Kind.EMIT, Kind.SUB, Kind.PUT, Kind.PING, Kind.CANCEL))
        flags = chance.randint(0, 63) << 2
        return encode(Frame(kind=kind, id=5, name=b"news.a", flags=flags, coding=9))

    def _mutated(self) -> bytes:
        chance = self.world.chance
        data = bytearray(encode(Frame(kind=Kind.SUB, id=6, name=b"news.*", payload=b"{}")))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(4, len(data))] = chance.randrange(256)
        return bytes(data)

    def _noise(self) -> bytes:
        return self.world.chance.randbytes(60) if self.world.chance.random() < 0.2 else b""

    def _half(self) -> bytes:
        data = encode(Frame(kind=Kind.PING, id=1, payload=b"p" * 40))
        if self.world.chance.random() < 0.1:
            self.world.later(50_000, self.connection.lose)
            return data[:30]
        return data

    def _oversize(self) -> bytes:
        chance = self.world.chance
        kind = chance.choice((Kind.CALL, Kind.EMIT, Kind.REPLY, Kind.PUT, Kind.PART))
        return encode(Frame(kind=kind, id=chance.randint(0, 9), payload=bytes(70_000)))

    def _fatal(self) -> bytes:
        if self.world.chance.random() < 0.8:
            return b""
        return HEADER.pack(SKIP_BYTES_MAX + 1, Kind.EMIT, 0, 0, 1, 0, 0)

    def _parts(self) -> bytes:
        """A good call in pieces, another frame between them."""
        whole = encode(Frame(kind=Kind.CALL, id=1_000, name=b"$askr.ping"))
        ping = encode(Frame(kind=Kind.PING, id=1))
        first = encode(Frame(kind=Kind.PART, id=8, payload=whole[:9], flags=FLAG_MORE))
        return first + ping + encode(Frame(kind=Kind.PART, id=8, payload=whole[9:]))

    def _group(self) -> bytes:
        id_ = self.world.chance.randint(20, 26)
        return encode(Frame(kind=Kind.PART, id=id_, payload=b"abc", flags=FLAG_MORE))

    def _contradicting(self) -> bytes:
        if self.world.chance.random() < 0.8:
            return HEADER.pack(20, Kind.CALL, 0, 0, 3, 0, FLAG_OPTIONS << 8)
        return HEADER.pack(21, Kind.CALL, 0, 9, 3, 0, 0) + b"x"

    def _nameless(self) -> bytes:
        chance = self.world.chance
        kind = chance.choice((Kind.CALL, Kind.SUB, Kind.EMIT, Kind.GET, Kind.PROVIDE, Kind.WATCH))
        return encode(Frame(kind=kind, id=chance.randint(0, 9), name=b"\xff\xfe"))

    def _streamed(self) -> bytes:
        """An item, an end or credit for a command that is not there, or that has no stream."""
        chance = self.world.chance
        kind = chance.choice((Kind.ITEM, Kind.END, Kind.RESET, Kind.CREDIT))
        flags = chance.choice((0, FLAG_UP, FLAG_MORE, FLAG_UP | FLAG_MORE))
        payload = chance.choice((b"", b"{}", FORGED, b'{"items":3,"bytes":100}', b'{"items":-1}'))
        id_ = chance.choice((0, 1, 2, 4, 5, 11, 2**53 - 1))
        return encode(Frame(kind=kind, id=id_, payload=payload, coding=Coding.JSON, flags=flags))

    def _wanting(self) -> bytes:
        """A call that wants what there is not."""
        chance = self.world.chance
        options = chance.choice(
            (b'{"reply":"all"}', b'{"quorum":-1}', b'{"more":1}', b"{", b'{"exclude":["a b"]}',
             b'{"version":"newest"}', b'{"wait_ms":"1"}', b'{"upload":"items"}', b'{"all":true}',
             b'{"idempotency_key":"' + b"k" * 300 + b'"}')
        )  # fmt: skip
        name = chance.choice((b"agent.fetch", b"agent.take", b"agent@*.chat", b"nobody.fetch"))
        return encode(Frame(kind=Kind.CALL, id=11, name=name, options=options, payload=FORGED))

    def _absurd(self) -> bytes:
        """A call, and more credit for it than there can be."""
        chance = self.world.chance
        call = Frame(kind=Kind.CALL, id=12, name=b"agent.tail", options=b'{"reply":"stream"}',
                     payload=FORGED, coding=Coding.JSON)  # fmt: skip
        items = chance.choice((2**31, 2**62, 10))
        credit = dump({"items": items, "bytes": items})
        more = Frame(kind=Kind.CREDIT, id=12, payload=credit, coding=Coding.JSON)
        return encode(call) + encode(more) * 2

    def _again(self) -> bytes:
        body = dump({"v": 1, "name": "again", "workspace": self.workspace})
        return encode(Frame(kind=Kind.HELLO, payload=body, coding=Coding.JSON))

    def receive(self, data: bytes) -> None:
        """Reads what it gets; that must be whole, good frames even for a vandal."""
        for item in split(self._assembly, data):
            assert isinstance(item, bytes)
            decode(item)

    def check(self) -> None:
        """Holds nothing: it has no right to complain."""
