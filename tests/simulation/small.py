"""A small world made by hand: an auditor, an agent that does what it is told, and a caller."""

from __future__ import annotations

from typing import Any

from askrd.wire.bodies import ErrorBody, dump, load
from askrd.wire.frames import Coding, Frame, Kind
from tests.simulation.checks import check_tables
from tests.simulation.listeners import Auditor
from tests.simulation.peers import Peer
from tests.simulation.world import World

SECOND = 1_000_000


class Silent(Peer):
    """Provides a service and answers when it is told to."""

    commands: tuple[dict[str, Any], ...] = ({"name": "fetch"},)

    def begin(self) -> None:
        self.ask(Kind.PROVIDE, "", {"service": "agent", "commands": self.commands}, id_=900)

    def reply(self, rid: int) -> None:
        self.say(Frame(kind=Kind.REPLY, id=rid, payload=b"1", coding=Coding.JSON))

    @property
    def calls(self) -> list[Frame]:
        return self.heard.get(Kind.CALL, [])

    def reasons(self) -> list[str]:
        return [frame.payload.decode() for frame in self.heard.get(Kind.CANCEL, [])]


class Small:
    """A world with an auditor, an agent and a caller."""

    def __init__(self, **fields: Any) -> None:
        self.world = World(1, **fields)
        self.auditor = self.join(Auditor, "auditor")
        self.agent = self.join(Silent, "agent")
        self.me = self.join(Peer, "me")
        self.emitted = 0

    def join(self, peer_type: type[Any], name: str, workspace: str = "askr", **hello: Any) -> Any:
        peer = peer_type(self.world, workspace, name, **hello)
        peer.start()
        self.world.run_until(lambda: peer.welcome is not None and not peer.open)
        return peer

    def until(self, is_so: Any) -> None:
        self.world.run_until(is_so)
        check_tables(self.world.router)

    def emit(self, times: int) -> None:
        for _ in range(times):
            self.emitted += 1
            body = dump({"w": "askr", "p": "me", "n": self.emitted})
            self.me.say(Frame(kind=Kind.EMIT, name=b"news", payload=body, coding=Coding.JSON))


def code_of(frame: Frame) -> str:
    return load(ErrorBody, frame.payload, "fail").code


def fail_codes(peer: Peer) -> list[str]:
    return [code_of(frame) for frame in peer.heard.get(Kind.FAIL, [])]
