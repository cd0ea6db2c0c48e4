"""What the tests of the answering side share: an agent's answers as frames, in virtual time."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from askrd.sdk.answering import Answering
from askrd.sdk.exchange import Exchange
from askrd.sdk.middleware import Middleware
from askrd.sdk.offers import Offers
from askrd.sdk.service import Service
from askrd.sdk.work import Work
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.bodies import Credit, dump
from askrd.wire.codec import decode
from askrd.wire.errors import AskrError
from askrd.wire.frames import FLAG_MORE, FLAG_SILENT, FLAG_UP, Coding, Frame, Kind
from askrd.wire.limits import MIB


class Served:
    """A service on a connection of its own: frames go in, and what it says is kept.

    Attributes:
        told: what it said, oldest first.
    """

    def __init__(self, service: Service, *skins: Middleware, limit: int = MIB) -> None:
        loop = asyncio.get_running_loop()
        self.exchange = Exchange()
        self.exchange.open(b"")
        self.exchange.take()
        self.exchange.payload_bytes_max = limit
        self.exchange.on_output = lambda: loop.call_soon(self._collect)
        self.offers = Offers(self.exchange)
        self.work = Work("agent", loop)
        self.answering = Answering(
            loop=loop,
            work=self.work,
            find=lambda name: service.commands.get(name.removeprefix(f"{service.name}.")),
            skins=skins,
            offers=self.offers,
        )
        self.offers.on_call = self.answering.take
        self.offers.on_cancel = self.answering.cancel
        self.offers.on_flow = self.answering.take_flow
        self.told: list[Frame] = []

    def _collect(self) -> None:
        self.told += [decode(data) for data in self.exchange.take()]

    def call(self, name: str, value: Any = None, **fields: Any) -> None:
        """Asks for a command; ``options`` is a dict, bytes as ``value`` stay bytes."""
        options = fields.pop("options", None)
        payload, coding = (value, Coding.BYTES) if isinstance(value, bytes) else (b"", Coding.NONE)
        if value is not None and not payload:
            payload, coding = json.dumps(value).encode(), Coding.JSON
        fields = {
            "id": 1, "ttl_ms": 30_000, "stamp": b"me@k3Tz9a",
            "options": dump(options) if options else b"", **fields,
        }  # fmt: skip
        fields["flags"] = fields.get("flags", 0) | (0x02 if options else 0)
        frame = Frame(
            kind=Kind.CALL, name=f"agent.{name}".encode(), payload=payload, coding=coding, **fields
        )
        self.offers.take_call(frame)

    def tell(self, name: str, value: Any = None, **fields: Any) -> None:
        self.call(name, value, **{"id": 0, "flags": FLAG_SILENT, **fields})

    def up(self, value: Any, id_: int = 1) -> None:
        """Sends a piece of an upload: bytes, or any JSON value."""
        is_bytes = isinstance(value, bytes)
        payload = value if is_bytes else json.dumps(value).encode()
        coding = Coding.BYTES if is_bytes else Coding.JSON
        self._flow(Kind.ITEM, id_, payload, coding, FLAG_UP)

    def end(self, id_: int = 1) -> None:
        self._flow(Kind.END, id_, b"", Coding.NONE, FLAG_UP)

    def reset(self, code: str, id_: int = 1) -> None:
        body = dump({"code": code, "message": "no"})
        self._flow(Kind.RESET, id_, body, Coding.JSON, FLAG_UP)

    def credit(self, items: int, size: int = MIB, id_: int = 1) -> None:
        self._flow(Kind.CREDIT, id_, dump(Credit(items=items, bytes=size)), Coding.JSON, 0)

    def _flow(self, kind: Kind, id_: int, payload: bytes, coding: int, flags: int) -> None:
        self.offers.take_flow(Frame(kind=kind, id=id_, payload=payload, coding=coding, flags=flags))

    def cancel(self, reason: str = "caller", id_: int = 1) -> None:
        body = dump({"reason": reason})
        self.offers.take_cancel(Frame(kind=Kind.CANCEL, id=id_, payload=body))

    @property
    def items(self) -> list[Any]:
        """The values of the items it sent."""
        return [value_in(frame) for frame in self.told if is_item(frame)]

    @property
    def outcome(self) -> Any:
        """The only outcome it gave: a value, or the body of an error."""
        self._collect()
        (frame,) = [one for one in self.told if is_outcome(one)]
        return value_in(frame)

    @property
    def credits(self) -> list[Any]:
        return [json.loads(one.payload) for one in self.told if one.kind == Kind.CREDIT]


def is_item(frame: Frame) -> bool:
    return frame.kind == Kind.ITEM


def is_outcome(frame: Frame) -> bool:
    return frame.kind in {Kind.REPLY, Kind.FAIL} and not frame.flags & FLAG_MORE


def value_in(frame: Frame) -> Any:
    if frame.coding == Coding.BYTES:
        return frame.payload
    return json.loads(frame.payload or b"null")


def live(
    service: Service,
    story: Callable[[Served], Awaitable[Any]],
    *skins: Middleware,
    seconds: float = 100,
    limit: int = MIB,
    is_virtual: bool = True,
) -> Served:
    """Runs a story, waits for what it began, and returns what was served.

    In virtual time nothing happens while a thread works.
    """

    async def whole() -> Served:
        served = Served(service, *skins, limit=limit)
        await story(served)
        await served.work.finish(seconds)
        served.work.close()
        assert served.answering.calls == {}
        assert served.offers.asked == 0
        served.told += [decode(data) for data in served.exchange.take()]
        return served

    with asyncio.Runner(loop_factory=VirtualTimeLoop if is_virtual else None) as runner:
        return runner.run(whole())


async def soon(is_so: Callable[[], Any], seconds: float = 10.0) -> None:
    """Waits until something is so."""
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.001)


def error(code: str) -> Callable[[AskrError], bool]:
    return lambda exc: str(exc.code) == code
