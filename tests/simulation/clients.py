"""Peers that ask and peers that serve: what they do is drawn, what they see is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from askrd.wire.bodies import EntryOptions, ErrorBody, dump, load
from askrd.wire.frames import FLAG_MORE, FLAG_SEALED, Coding, Frame, Kind
from tests.simulation.peers import Listener, Peer, said

if TYPE_CHECKING:
    from tests.simulation.world import World

COMMANDS = ("fetch", "put.it", "slow")
ADDRESSES = (
    "agent.fetch", "agent.fetch", "agent.fetch", "agent.fetch", "store.fetch", "store.fetch",
    "agent.slow", "agent.slow", "store.put.it", "agent.put.it", "store.fetch", "store.slow", "slow", ".put.it",
    "fetch", "agent@{zone=a}.fetch", "agent@{zone=b}.slow", "store@{zone=a}.fetch", "nobody.fetch",
    "agent.nothing", "agent@*.fetch", "not an address", "$askr.ping", "$askr.stats",
    "$askr.services", "$askr.peers", "$askr.nothing",
)  # fmt: skip
KEYS = ("a", "a/b", "a/c", "ab", "c/d/e")


class Client(Peer):
    """Calls, emits, reads and writes at random moments, until the world calms down."""

    def __init__(self, world: World, workspace: str, name: str, **hello: Any) -> None:
        super().__init__(world, workspace, name, **hello)
        self.is_busy = True
        self.emitted = 0
        self.asked: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.used: list[int] = []
        self.writes: dict[str, list[tuple[int, int]]] = {}
        self.written: dict[str, tuple[int, str]] = {}
        self.reads: list[tuple[str, int, int]] = []

    def begin(self) -> None:
        self._go_on()

    def _go_on(self) -> None:
        if self.is_busy and self.connection.is_open:
            self.act()
            self.world.later(self.world.chance.randint(1_000, 200_000), self._go_on)

    def act(self) -> None:
        """Does one to four things at once."""
        chance = self.world.chance
        deeds = (self.calls,) * 8 + (self.emit, self.emit, self.emit, self.emit, self.puts, self.puts,
                 self.get, self.delete, self.cancel)  # fmt: skip
        for _ in range(chance.randint(1, 4)):
            chance.choice(deeds)()

    def calls(self) -> None:
        """Calls commands, now and then many at once."""
        for _ in range(self.world.chance.choice((1, 1, 1, 1, 1, 10))):
            self.call()

    def call(self) -> int:
        """Calls a command."""
        chance = self.world.chance
        address = chance.choice(ADDRESSES)
        if address == "$askr.stats" and self.world.is_cut:
            address = "$askr.ping"  # the count of bytes read depends on how they were cut
        if chance.random() < 0.1 and (known := self.world.known_instances(self.workspace)):
            address = f"agent@{chance.choice(known)}.fetch"
        token = f"{self.connection.index}.{self.requests + 1}"
        ttl_ms = chance.choice((0, 30, 200, 900, 4_000))
        self.asked[token] = address
        self.world.book.asked[token] = (self.connection.session.suffix, ttl_ms)
        if "@" in address:
            self.world.book.selected.add(token)
        id_ = 0
        if self.used and chance.random() < 0.2:
            id_ = self.used.pop()
        elif self.open and chance.random() < 0.03:
            id_ = next(iter(self.open))
        size = chance.choice((0,) * 12 + (300, 300, 1_500, 2_200))
        fields: dict[str, Any] = {"hops": chance.choice((0,) * 18 + (7, 8))}
        if chance.random() < 0.1:
            fields["head"] = b'{"trace":"1"}'
        if chance.random() < 0.05:
            fields["flags"] = chance.choice((FLAG_SEALED, FLAG_MORE))
        body = {"w": self.workspace, "t": token, "pad": "x" * size}
        return self.ask(Kind.CALL, address, body, id_=id_, token=token, ttl_ms=ttl_ms, **fields)

    def cancel(self) -> None:
        """Cancels something it waits for, or nothing."""
        chance = self.world.chance
        ids = list(self.open) or [7_777]
        self.say(Frame(kind=Kind.CANCEL, id=chance.choice(ids)))

    def emit(self) -> None:
        """Emits events, with and without an answer."""
        chance = self.world.chance
        for _ in range(chance.choice((1, 1, 1, 30))):
            self._emit()

    def _emit(self) -> None:
        chance = self.world.chance
        subject = chance.choice(("news.a", "news.b", "TIME", "x.y.z", "$askr.peer.left", "b*d"))
        self.emitted += 1
        body = {"w": self.workspace, "p": str(self.connection.index), "n": self.emitted,
                "pad": "x" * chance.choice((0, 0, 200, 900))}  # fmt: skip
        if chance.random() < 0.3:
            self.ask(Kind.EMIT, subject, body)
        else:
            self.say(
                Frame(kind=Kind.EMIT, name=subject.encode(), payload=dump(body), coding=Coding.JSON)
            )

    # ── state ─────────────────────────────────────────────────────────────────────────────

    def puts(self) -> None:
        """Writes, now and then much at once."""
        for _ in range(self.world.chance.choice((1, 1, 1, 6))):
            self.put()

    def put(self) -> None:
        """Writes a key, often with the value that is there already, sometimes twice."""
        chance = self.world.chance
        key = chance.choice((*KEYS, "@agent/k", "$askr/k", f"own/{self.name}"))
        for _ in range(chance.randint(1, 3)):
            value = {"w": self.workspace, "v": chance.randint(1, 3)}
            options = b'{"if_rev":0}' if chance.random() < 0.1 else b""
            self._write(Kind.PUT, key, value, options)
        if chance.random() < 0.3:
            self.get(key)

    def delete(self) -> None:
        """Deletes a key."""
        self._write(Kind.DEL, self.world.chance.choice((*KEYS, f"own/{self.name}")), None, b"")

    def _write(self, kind: Kind, key: str, value: Any, options: bytes) -> None:
        token = f"write {self.requests + 1}"
        self.written[token] = (self.requests + 1, key)
        self.ask(kind, key, value, token=token, options=options)

    def get(self, key: str = "") -> None:
        """Reads a key or what is below it."""
        chance = self.world.chance
        key = key or chance.choice(KEYS)
        if chance.random() < 0.3:
            self.ask(Kind.GET, key, options=b'{"prefix":true}')
        else:
            self.ask(Kind.GET, key, token=f"read {self.requests + 1} {key}")

    def ended(self, frame: Frame, token: str) -> None:
        super().ended(frame, token)
        if token in self.asked:
            self._command_ended(frame, token)
        if frame.kind == Kind.OK and token in self.written:
            options = load(EntryOptions, frame.options, "options")
            number, key = self.written[token]
            self.writes.setdefault(key, []).append((number, options.rev))
        if frame.kind == Kind.OK and token.startswith("read"):
            options = load(EntryOptions, frame.options, "options")
            _, asked_as, key = token.split()
            self.reads.append((key, int(asked_as), options.rev))

    def _command_ended(self, frame: Frame, token: str) -> None:
        if frame.id not in self.open and frame.kind != Kind.ERROR:
            self.used.append(frame.id)
        if frame.kind == Kind.FAIL and not frame.stamp:
            error = load(ErrorBody, frame.payload, "fail")
            if error.details.get("delivered") == "no" or error.retryable:
                self.world.book.undelivered.add(token)

    def on_progress(self, frame: Frame) -> None:
        tokens = self.open.get(frame.id)
        assert tokens, "progress came after the outcome"
        body = said(frame)
        assert isinstance(body, dict)
        assert body["t"] in tokens, "progress of another command"

    def check(self) -> None:
        super().check()
        for key, writes in self.writes.items():
            revs = [rev for _, rev in sorted(writes)]
            assert revs == sorted(revs), f"{self.name}: writes of {key} were turned around: {revs}"
        deleted = {
            (change.key, change.rev)
            for change in self.world.book.changes.get(self.workspace, [])
            if change.value is None
        }
        for key, number, rev in self.reads:
            own = max((r for n, r in self.writes.get(key, []) if n < number), default=0)
            assert rev >= own or (key, own) in deleted, f"{self.name} does not see its own write"


class Worker(Client):
    """Provides one or two services and answers what it is asked, more or less well."""

    def __init__(self, world: World, workspace: str, name: str, **hello: Any) -> None:
        super().__init__(world, workspace, name, **hello)
        self.requests = 1_000_000  # apart from the ids of what it is asked: an error names either
        self.provided: set[str] = set()
        self.running: dict[int, str] = {}
        self.finished: set[int] = set()
        self.last_rid = 0
        self.last_of: dict[tuple[str, str], int] = {}

    def begin(self) -> None:
        for service in self.world.chance.choice((("agent",), ("store",), ("agent", "store"))):
            self.provide(service)
        super().begin()

    def provide(self, service: str, kind: Kind = Kind.PROVIDE) -> None:
        """Offers some commands of a service."""
        chance = self.world.chance
        names = chance.sample(COMMANDS, chance.randint(1, 3)) if chance.random() < 0.3 else COMMANDS
        specs = [{"name": name, "timeout_ms": chance.choice((0, 700))} for name in names]
        body = {"service": service, "commands": specs, "tags": {"zone": chance.choice("ab")}}
        self.ask(kind, "", body)
        self.provided.add(service)

    def act(self) -> None:
        chance = self.world.chance
        luck = chance.random()
        if luck < 0.05:
            self.ask(Kind.WITHDRAW, "", {"service": chance.choice(("agent", "store"))})
        elif luck < 0.1:
            self.provide(chance.choice(("agent", "store")), Kind.UPDATE)
        elif luck < 0.2:
            self.provide(chance.choice(("agent", "store")))
        elif luck < 0.5:
            super().act()

    def on_call(self, frame: Frame) -> None:
        assert frame.id == self.last_rid + 1, "ids of one instance increase one by one"
        self.last_rid = frame.id
        service, _, command = frame.name.decode().partition(".")
        assert service in self.provided
        assert command in COMMANDS
        assert frame.ttl_ms > 0, "a command comes with the time that is left"
        assert frame.stamp
        body = said(frame)
        token = body["t"]
        asker, ttl_ms = self.world.book.asked[token]
        assert frame.stamp.decode().endswith(f"@{asker}"), "somebody else is said to ask"
        assert not ttl_ms or frame.ttl_ms <= ttl_ms, "time grew on the way"
        self._check_order(frame.name.decode(), token)
        self.world.book.delivered[token] += 1
        self.running[frame.id] = token
        self._serve(frame.id, token, f"{service}@{self.connection.session.suffix}")

    def _check_order(self, name: str, token: str) -> None:
        """Holds the order of one asker's commands, but for those that named who may take them."""
        asker, _, number = token.partition(".")
        if token not in self.world.book.selected:
            last = self.last_of.get((asker, name), 0)
            assert int(number) > last, f"commands of {asker} were turned around"
            self.last_of[asker, name] = int(number)

    def on_cancel(self, frame: Frame) -> None:
        assert 0 < frame.id <= self.last_rid, "cancel names a command that came before"
        if self.world.chance.random() < 0.5:
            self._answer(frame.id, "cancelled", "agent@x")
        self.finished.add(frame.id)

    def _serve(self, rid: int, token: str, me: str) -> None:
        chance = self.world.chance
        luck = chance.random()
        delay_us = chance.choice((0, 5_000, 100_000, 1_500_000))
        if luck < 0.1:
            return
        if luck < 0.3:
            self._say(Kind.PROGRESS, rid, token, me)
        if luck < 0.9:
            self.world.later(delay_us, lambda: self._answer(rid, token, me))
        if luck > 0.8:
            self.world.later(delay_us * 2, lambda: self._answer(rid, token, me))

    def _answer(self, rid: int, token: str, me: str) -> None:
        luck = self.world.chance.random()
        if luck < 0.1:
            fail = dump({"code": "of_its_own", "message": "no", "at": "handler"})
            self.say(Frame(kind=Kind.FAIL, id=rid, payload=fail, coding=Coding.JSON))
        elif luck < 0.13:
            self.say(Frame(kind=Kind.REPLY, id=rid, payload=b"x" * 2_500, coding=Coding.BYTES))
        elif luck < 0.15:
            self.say(Frame(kind=Kind.REPLY, id=rid, payload=b"x" * 90_000, coding=Coding.BYTES))
        elif luck < 0.18:
            self.say(Frame(kind=Kind.REPLY, id=rid, name=b"odd"))
            return
        elif luck < 0.2:
            self.say(Frame(kind=Kind.FAIL, id=rid, payload=b"{", coding=Coding.BYTES))
            return
        else:
            self._say(Kind.REPLY, rid, token, me)
        self.finished.add(rid)

    def _say(self, kind: Kind, rid: int, token: str, me: str) -> None:
        body = dump({"w": self.workspace, "t": token, "by": me})
        self.say(Frame(kind=kind, id=rid, payload=body, coding=Coding.JSON))

    def check(self) -> None:
        super().check()
        left = set(range(1, self.last_rid + 1)) - self.finished
        assert not left, f"{self.name} was asked {left} and neither answered nor was cancelled"


class Reader(Listener):
    """A listener that reads slowly, changes its mind, and watches the state."""

    def start(self) -> None:
        self.wants_roster = self.world.chance.random() < 0.3
        super().start()

    def begin(self) -> None:
        chance = self.world.chance
        self.sub(chance.choice(("**", "news.*", "news.**", "*", "x.*.z")))
        self.watch(chance.choice(("", "a", "a/", "own")))
        if chance.random() < 0.5:
            self.watch(chance.choice(("", "c", "ab")))
        self._go_on()

    def _go_on(self) -> None:
        chance = self.world.chance
        if not self.connection.is_open or not self.world.is_busy:
            return
        luck = chance.random()
        live = [id_ for id_, term in self.terms.items() if term[2] is None]
        if luck < 0.3 and len(live) < 4:
            self.sub(chance.choice(("news.a", "TIME", "n*.a", "**", "$askr.**")))
        elif luck < 0.5 and live and self.is_whole:
            self.unsub(live[0])
        elif luck < 0.7:
            self.connection.stall(chance.randint(100_000, 2_500_000))
        self.world.later(chance.randint(100_000, 900_000), self._go_on)
