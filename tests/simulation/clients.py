"""Peers that ask, emit, read and write: what they do is drawn, what they see is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from askrd.wire.bodies import Credit, dump, load
from askrd.wire.frames import Coding, Frame, Kind
from askrd.wire.state import EntryOptions
from tests.simulation.asking import Asked
from tests.simulation.callers import Caller
from tests.simulation.flows import Outflow
from tests.simulation.listeners import Listener
from tests.simulation.peers import said

if TYPE_CHECKING:
    from tests.simulation.world import World

KEYS = ("a", "a/b", "a/c", "ab", "c/d/e")
WRITES = (
    b'{"if_rev":0}', b'{"fast":true}', b'{"ephemeral":true}', b'{"ephemeral":true,"ttl_ms":500}',
    b'{"ttl_ms":300}', b'{"op":"patch"}', b'{"op":"patch","fast":true}',
)  # fmt: skip
"""What a write may want beside."""


class Client(Caller):
    """Calls, emits, reads and writes at random moments, until the world calms down."""

    def __init__(self, world: World, workspace: str, name: str, **hello: Any) -> None:
        super().__init__(world, workspace, name, **hello)
        self.is_busy = True
        self.emitted = 0
        self.writes: dict[str, list[tuple[int, int]]] = {}
        self.written: dict[str, tuple[int, str]] = {}
        self.reads: list[tuple[str, int, int]] = []

    def begin(self) -> None:
        self._go_on()

    def _go_on(self) -> None:
        if self.is_busy and self.is_there:
            self.act()
            self.world.later(self.world.chance.randint(1_000, 200_000), self._go_on)

    def act(self) -> None:
        """Does one to four things at once."""
        chance = self.world.chance
        deeds = (self.calls,) * 8 + (self.emit, self.emit, self.emit, self.emit, self.puts, self.puts,
                 self.get, self.delete, self.cancel, self.cancel)  # fmt: skip
        for _ in range(chance.randint(1, 4)):
            chance.choice(deeds)()
        if chance.random() < 0.02:
            self.rotate()
        if chance.random() < 0.05:
            self.look_back()

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

    # ── operating ─────────────────────────────────────────────────────────────────────────

    def rotate(self) -> None:
        """Takes somebody out of rotation, and puts everyone back a little later."""
        chance = self.world.chance
        service = chance.choice(("agent", "store"))
        known = self.world.known_instances(self.workspace)
        target = f"{service}@{chance.choice(known)}" if chance.random() < 0.7 else service
        verb = chance.choice(("disable", "drain"))
        self.ask(
            Kind.CALL, f"$askr.{verb}", {"target": target}, token=f"{verb} {self.requests + 1}"
        )
        delay_us = chance.choice((50_000, 600_000))
        self.world.later(
            delay_us,
            lambda: self.ask(Kind.CALL, "$askr.enable", {"target": service}, token="enable"),
        )

    def look_back(self) -> None:
        """Asks what became of a command."""
        id_ = self.world.chance.choice(list(self.asks) or [7_777])
        body = {"id": id_, "instance": self.session.suffix}
        self.ask(Kind.CALL, "$askr.why", body, token=f"back {id_}")

    def _looked_back(self, told: dict[str, Any], asked: Asked) -> None:
        """Holds that who is said to have got a command did get it."""
        is_known = not (asked.is_ambiguous or asked.has_used_id or asked.is_survey or asked.run)
        if not is_known or not told.get("instance") or not asked.chosen:
            return
        assert told["instance"].encode() in {member.stamp for member in asked.chosen}
        self.world.book.outcomes["looked back"] += 1
        if told["state"] == "failed" and asked.code:
            assert told["verdict"] == asked.code, f"it failed with {asked.code}"

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
            drawn = int(chance.random() * 2 * len(WRITES))
            options = WRITES[drawn] if drawn < len(WRITES) else b""
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
        if token.startswith(("disable", "drain")) and frame.kind == Kind.REPLY:
            state = {"disable": "disabled", "drain": "draining"}[token.partition(" ")[0]]
            states = {row["state"] for row in said(frame)["instances"]}
            assert states <= {state, "unresponsive"}, f"asked to {token}, and they are {states}"
        if token.startswith("back") and frame.kind == Kind.REPLY:
            self._looked_back(said(frame), self.asks[int(token.split()[1])])
        if frame.kind == Kind.OK and token in self.written:
            options = load(EntryOptions, frame.options, "options")
            number, key = self.written[token]
            self.writes.setdefault(key, []).append((number, options.rev))
        if frame.kind == Kind.OK and token.startswith("read"):
            options = load(EntryOptions, frame.options, "options")
            _, asked_as, key = token.split()
            self.reads.append((key, int(asked_as), options.rev))

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
        if not self.is_there or not self.world.is_busy:
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


class Spoiler(Client):
    """A client that uploads more than its instance takes, and grants absurd credit."""

    def may_push(self, asked: Asked, out: Outflow) -> bool:
        if super().may_push(asked, out):
            return True
        if out.sent >= out.total or self.world.chance.random() < 0.5:
            return False
        self.world.book.spoiled.add(asked.token)
        return True

    def pushed(self, id_: int, asked: Asked) -> None:
        if asked.up is not None and self.world.chance.random() < 0.3:
            self._push_item(id_, asked, asked.up)

    def more_credit(self, asked: Asked) -> Credit:
        if self.world.chance.random() < 0.9:
            return super().more_credit(asked)
        return Credit(items=2**31 + 1, bytes=0)

    def hear(self, frame: Frame) -> None:
        is_told = frame.kind == Kind.ERROR and b"more credit than" in frame.payload
        if not is_told:
            super().hear(frame)
