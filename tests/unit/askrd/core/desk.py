"""A router on a desk: peers without a network, for tests that say exactly what happens."""

from __future__ import annotations

from typing import Any

import msgspec

from askrd.core.effects import Close, Effect, Persist, Record
from askrd.core.router import Router
from askrd.core.session import Session
from askrd.core.switchboard import Daemon
from askrd.wire.bodies import EventOptions, dump, load
from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import FLAG_KEPT, FLAG_MORE, FLAG_SILENT, Coding, Frame, Kind
from askrd.wire.limits import DEFAULT_LIMITS, MIB, Limits
from askrd.wire.state import EntryOptions

START_US = 1_000_000_000
WALL_US = 1_700_000_000_000_000
MS = 1_000
SECOND = 1_000_000


class Desk:
    """A router, its time, and the peers around it.

    Attributes:
        now_us: the time; `after` moves it.
        closes: what the router wants closed. tickets: what waits for the store.
    """

    def __init__(
        self, *, limits: Limits = DEFAULT_LIMITS, is_fast: bool = True, is_stored: bool = True
    ) -> None:
        """Starts empty; with ``is_stored`` every write is committed at once."""
        self.now_us = START_US
        self.is_stored = is_stored
        self.effects: list[Effect] = []
        self.peers: list[Mate] = []
        daemon = Daemon(id="d", epoch="e", version="0", build="desk", workspace="askr")
        self.router = Router(
            daemon, limits=limits, fast=is_fast, now_us=START_US, wall_offset_us=WALL_US
        )

    def connect(self, *, is_held: bool = True) -> Mate:
        """Connects a peer that says nothing yet."""
        number = len(self.peers)
        session = self.router.connect(
            suffix=f"i{number}",
            secret=f"s{number}",
            via="test",
            address="",
            now_us=self.now_us,
            is_held_to_pings=is_held,
        )
        mate = Mate(self, session)
        self.peers.append(mate)
        return mate

    def join(self, name: str = "me", *, is_held: bool = True, **hello: Any) -> Mate:
        """Connects a peer and has it welcomed."""
        mate = self.connect(is_held=is_held)
        mate.hello(name=name, **hello)
        (welcome,) = [frame for frame in mate.heard() if frame.kind == Kind.WELCOME]
        mate.welcome = msgspec.json.decode(welcome.payload)
        return mate

    def serve(self, service: str = "agent", *commands: str, **provision: Any) -> Mate:
        """Connects a peer that provides a service."""
        mate = self.join(service)
        mate.provide(service, *(commands or ("fetch",)), **provision)
        assert mate.heard()[0].kind == Kind.PROVIDED
        return mate

    def offer(self, service: str, *specs: dict[str, Any], **provision: Any) -> Mate:
        """Connects a peer that knows streams and provides commands with all that they declare."""
        mate = self.join(service, streams=True)
        mate.say(json(Kind.PROVIDE, {"service": service, "commands": specs} | provision, id=900))
        assert mate.heard()[0].kind == Kind.PROVIDED
        return mate

    def assert_nothing_is_left(self) -> None:
        """Says that no command is in any table, nothing waits and nothing counts as running."""
        for session in self.router.board.sessions:
            assert (session.asking, session.asked) == ({}, {})
        for workspace in self.router.board.workspaces.values():
            assert workspace.destinations.hoping == {}
            assert all(kept.outcome is not None for kept in workspace.kept.items.values())
            assert all(not kept.joined for kept in workspace.kept.items.values())
            for service in workspace.destinations.services.values():
                waits = service.waiting, service.waiting_count, service.waiting_bytes
                assert waits == ({}, 0, 0)
                for instance in service.instances.values():
                    assert (instance.load, instance.in_flight) == (0, 0)
                    assert not any(instance.running.values())

    def after(self, time_us: int) -> None:
        """Lets time pass, with every tick the router wants on the way."""
        until_us = self.now_us + time_us
        while (due_us := self.router.next_due_us) <= until_us:
            self.now_us = max(self.now_us, due_us)
            self.router.board.queued_bytes = 0  # What was told meanwhile is written.
            self.router.tick(self.now_us)
            self.settle()
        self.now_us = until_us

    def settle(self) -> None:
        """Takes the effects; commits what is to be kept."""
        router = self.router
        while router.effects:
            effects = router.effects.copy()
            router.effects.clear()
            self.effects += effects
            tickets = [effect.ticket for effect in effects if isinstance(effect, Persist | Record)]
            if tickets and self.is_stored:
                router.committed(tickets[-1], self.now_us)

    def commit(self, ticket: int) -> None:
        """Has the store say that everything up to a ticket is kept."""
        self.router.committed(ticket, self.now_us)
        self.settle()

    @property
    def closes(self) -> list[tuple[Mate, int]]:
        """Whose connections are to be closed, with the code."""
        found = [effect for effect in self.effects if isinstance(effect, Close)]
        mates = {mate.session: mate for mate in self.peers}
        return [(mates[effect.session], effect.close_code) for effect in found]


class Mate:
    """One peer at the desk."""

    def __init__(self, desk: Desk, session: Session) -> None:
        self.desk = desk
        self.session = session
        self.welcome: dict[str, Any] = {}
        self._assembly = Assembly(100 * MIB)

    def feed(self, data: bytes) -> None:
        """Sends bytes."""
        self.desk.router.feed(self.session, data, self.desk.now_us)
        self.desk.settle()

    def say(self, *frames: Frame) -> None:
        """Sends frames in one go."""
        self.feed(b"".join(map(encode, frames)))

    def hello(self, **hello: Any) -> None:
        self.say(json(Kind.HELLO, {"v": 1} | hello))

    def provide(self, service: str, *commands: str, id_: int = 900, **provision: Any) -> None:
        specs = [{"name": command} for command in commands]
        self.say(json(Kind.PROVIDE, {"service": service, "commands": specs} | provision, id=id_))

    def call(self, id_: int, address: str = "agent.fetch", **fields: Any) -> None:
        self.say(Frame(kind=Kind.CALL, id=id_, name=address.encode(), **fields))

    def want(self, id_: int, address: str = "agent.fetch", /, **wants: Any) -> None:
        """Calls with options; the member ``fields`` is for the frame."""
        fields = wants.pop("fields", {})
        options = dump(wants) if wants else b""
        self.say(Frame(kind=Kind.CALL, id=id_, name=address.encode(), options=options, **fields))

    def tell(self, id_: int, address: str = "agent.fetch", **fields: Any) -> None:
        self.say(Frame(kind=Kind.CALL, id=id_, name=address.encode(), flags=FLAG_SILENT, **fields))

    def accept(self, id_: int) -> None:
        self.say(Frame(kind=Kind.REPLY, id=id_, flags=FLAG_MORE))

    def fail(self, id_: int, code: str = "of_its_own", **members: Any) -> None:
        self.say(json(Kind.FAIL, {"code": code} | members, id=id_))

    def item(self, id_: int, payload: bytes = b"i", flags: int = 0, coding: int = 2) -> None:
        self.say(Frame(kind=Kind.ITEM, id=id_, payload=payload, flags=flags, coding=coding))

    def credit(self, id_: int, items: int, size: int, flags: int = 0) -> None:
        self.say(json(Kind.CREDIT, {"items": items, "bytes": size}, id=id_, flags=flags))

    def reply(self, id_: int, payload: bytes = b"1", **fields: Any) -> None:
        self.say(Frame(kind=Kind.REPLY, id=id_, payload=payload, coding=Coding.JSON, **fields))

    def cancel(self, id_: int) -> None:
        self.say(Frame(kind=Kind.CANCEL, id=id_))

    def sub(self, id_: int, pattern: str, **wants: Any) -> None:
        """Subscribes; with options."""
        extra = dump(wants) if wants else b""
        self.say(Frame(kind=Kind.SUB, id=id_, name=pattern.encode(), options=extra))

    def emit(self, subject: str, id_: int = 0, **fields: Any) -> None:
        self.say(Frame(kind=Kind.EMIT, id=id_, name=subject.encode(), **fields))

    def retain(self, subject: str, value: Any = None, id_: int = 0) -> None:
        """Emits an event that is retained; without a value none is any more."""
        self.publish(subject, value, id_, retain=True)

    def publish(self, subject: str, value: Any = None, id_: int = 0, **wants: Any) -> None:
        """Emits an event with a value and options; the member ``fields`` is for the frame."""
        fields = wants.pop("fields", {})
        coding = Coding.NONE if value is None else Coding.JSON
        payload = b"" if value is None else dump(value)
        extra = dump(wants) if wants else b""
        self.emit(subject, id_, payload=payload, coding=coding, options=extra, **fields)

    def answer(self, id_: int, value: Any = None) -> None:
        """Answers an event; without a value it has nothing to say."""
        payload = b"" if value is None else dump(value)
        coding = Coding.NONE if value is None else Coding.JSON
        self.say(Frame(kind=Kind.ANSWER, id=id_, payload=payload, coding=coding))

    def put(self, id_: int, key: str, value: Any, **options: Any) -> None:
        self.say(put(id_, key, value, **options))

    def get(self, id_: int, key: str, **options: Any) -> None:
        self.say(get(id_, key, **options))

    def pause(self) -> None:
        """Has its connection full from now on."""
        self.hear_nothing_more()
        self.desk.router.pause(self.session)

    def hear_nothing_more(self) -> None:
        self._taken = b"".join(self.session.outbox.take())

    def resume(self) -> None:
        """Reads everything; what it got is what `heard` gives next."""
        self._taken = b""
        while self.session.outbox.is_paused:
            self._taken += b"".join(self.session.outbox.take())
        self.desk.router.resume(self.session, self.desk.now_us)
        self.desk.settle()

    def lose(self) -> None:
        """Has its connection break."""
        self.desk.router.leave(self.session, "lost", self.desk.now_us)
        self.desk.settle()

    _taken = b""

    def heard(self) -> list[Frame]:
        """Returns what it got since the last time."""
        data, self._taken = self._taken + b"".join(self.session.outbox.take()), b""
        found = split(self._assembly, data)
        assert all(isinstance(item, bytes) for item in found)
        return [decode(item) for item in found if isinstance(item, bytes)]

    def kinds(self) -> list[Kind]:
        """Returns the kinds of what it got since the last time."""
        return [Kind(frame.kind) for frame in self.heard()]

    def calls(self) -> list[Frame]:
        """Returns the calls it got since the last time."""
        return [frame for frame in self.heard() if frame.kind == Kind.CALL]

    def events(self) -> list[tuple[str, int, int, bool]]:
        """Returns the events it got since the last time: subject, seq, sub, and whether KEPT."""
        return [
            (f.name.decode(), f.id, event_options(f).sub, bool(f.flags & FLAG_KEPT))
            for f in self.heard()
            if f.kind == Kind.EVENT
        ]

    def fails(self) -> dict[int, str]:
        """Returns the codes of the fails it got since the last time, by id."""
        return {f.id: body(f)["code"] for f in self.heard() if f.kind == Kind.FAIL}

    def errors(self) -> list[tuple[int, str]]:
        """Returns ids and codes of the errors it got since the last time."""
        return [(f.id, body(f)["code"]) for f in self.heard() if f.kind == Kind.ERROR]

    def ask(self, address: str, argument: Any = None) -> Any:
        """Calls one of the daemon's own commands; the value, or the error's body."""
        self.say(json(Kind.CALL, argument, id=999_999, name=address.encode()))
        (frame,) = [frame for frame in self.heard() if frame.id == 999_999]
        return body(frame)


def json(kind: Kind, value: Any, **fields: Any) -> Frame:
    """Returns a frame with a JSON payload."""
    return Frame(kind=kind, payload=dump(value), coding=Coding.JSON, **fields)


def put(id_: int, key: str, value: Any, **options: Any) -> Frame:
    """Returns a write."""
    extra = dump(options) if options else b""
    return json(Kind.PUT, value, id=id_, name=key.encode(), options=extra)


def get(id_: int, key: str, **options: Any) -> Frame:
    """Returns a read."""
    extra = dump(options) if options else b""
    return Frame(kind=Kind.GET, id=id_, name=key.encode(), options=extra)


def body(frame: Frame) -> Any:
    """Returns a frame's JSON payload."""
    return msgspec.json.decode(frame.payload)


def options(frame: Frame) -> EntryOptions:
    """Returns what stands beside a state value."""
    return load(EntryOptions, frame.options, "options")


def event_options(frame: Frame) -> EventOptions:
    """Returns what an event says beside its payload."""
    return load(EventOptions, frame.options or b"{}", "options")
