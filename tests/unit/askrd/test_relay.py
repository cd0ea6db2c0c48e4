"""What one door does wrong costs its own peer only."""

import asyncio

import pytest

from askrd.doors.door import Door
from askrd.relay import Relay
from askrd.wire.bodies import Hello, dump
from askrd.wire.codec import Raw, decode, encode
from askrd.wire.frames import Coding, Frame, Kind
from tests.unit.askrd.doors.hearsay import Wire
from tests.unit.askrd.scene import run

HELLO = encode(Frame(kind=Kind.HELLO, payload=dump(Hello(v=1, name="me")), coding=Coding.JSON))


class Torn(Door):
    """A door that fails at whatever it is to write."""

    def write(self, pieces: list[Raw]) -> None:
        raise ValueError("it cannot be said here")


def entered(relay: Relay, kind: type[Door]) -> Wire:
    wire = Wire()
    session = relay.connect("test", "here")
    door = kind(relay, session, wire)
    relay.enter(session, door)
    door.data_received(HELLO)
    return wire


@pytest.mark.parametrize("is_first", [True, False])
def test_a_door_that_fails_at_writing_is_cut_and_the_others_are_told(*, is_first: bool) -> None:
    async def scene(relay: Relay) -> None:
        wires = {
            kind: entered(relay, kind) for kind in ((Torn, Door) if is_first else (Door, Torn))
        }
        while not (wires[Torn].is_cut and wires[Door].pieces):
            await asyncio.sleep(0)
        assert decode(b"".join(wires[Door].pieces)).kind == Kind.WELCOME
        assert not wires[Door].is_cut

    run(scene)


def test_a_door_that_fails_at_its_last_words_is_closed_and_the_others_go_on() -> None:
    async def scene(relay: Relay) -> None:
        torn, whole = entered(relay, Torn), entered(relay, Door)
        relay.close_all("enough")
        assert torn.is_cut
        assert b"enough" in b"".join(whole.pieces)

    run(scene)
