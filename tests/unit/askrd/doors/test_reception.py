"""A large frame is received in its place, and everything else still reaches the door."""

import asyncio
import os

import pytest

from askrd.core.session import Session
from askrd.doors.door import RawDoor
from askrd.doors.reception import Reception, is_worth
from askrd.wire.codec import encode, split
from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.doors.hearsay import Hearing, Holding, Wire, open_session

FRAME = encode(Frame(kind=Kind.EMIT, name=b"BIG", payload=os.urandom(1_000_000), coding=2))
FIRST = FRAME[:300_000]


class Cutting(Hearing):
    """Cuts what it hears into frames, and keeps only whole ones."""

    def received(self, session: Session, data: bytes) -> None:
        for frame in split(session.assembly, data):
            assert isinstance(frame, bytes)
            self.heard += frame


def begun(relay: Hearing) -> tuple[RawDoor, Wire, Reception]:
    wire = Wire()
    door = RawDoor(relay, open_session(), wire)
    door.data_received(FIRST)
    assert isinstance(wire.protocol, Reception)
    return door, wire, wire.protocol


def pour(reception: Reception, data: bytes, at_most: int = 1 << 30) -> None:
    while data:
        room = reception.get_buffer(-1)
        count = min(len(room), len(data), at_most)
        room[:count] = data[:count]
        reception.buffer_updated(count)
        data = data[count:]


def test_a_large_frame_is_handed_over_whole_and_the_connection_given_back() -> None:
    relay = Holding()
    door, wire, reception = begun(relay)
    pour(reception, FRAME[len(FIRST) :])
    assert wire.protocol is door
    assert [bytes(whole) for whole in relay.large] == [FRAME]
    assert relay.large[0].readonly
    assert door.session.assembly.is_empty


def test_the_session_is_heard_with_every_part_that_comes() -> None:
    relay = Holding()
    _, _, reception = begun(relay)
    pour(reception, FRAME[len(FIRST) :], at_most=100_000)
    assert relay.reads == [len(FIRST), *[0] * 7]
    assert len(relay.large) == 1


def test_bytes_are_counted_once() -> None:
    relay = Holding()
    door, _, reception = begun(relay)
    pour(reception, FRAME[len(FIRST) :])
    assert door.session.bytes_in == len(FRAME)


def test_there_is_room_for_the_missing_bytes_only_and_never_none() -> None:
    _, _, reception = begun(Holding())
    assert len(reception.get_buffer(-1)) == len(FRAME) - len(FIRST)
    reception.buffer_updated(len(FRAME) - len(FIRST) - 1)
    assert len(reception.get_buffer(-1)) == 1


@pytest.mark.parametrize("cause", [None, ConnectionResetError("reset")])
def test_a_connection_lost_on_the_way_is_told_and_nothing_handed_over(
    cause: Exception | None,
) -> None:
    relay = Holding()
    _, _, reception = begun(relay)
    pour(reception, b"x" * 1_000)
    assert not reception.eof_received()
    reception.connection_lost(cause)
    assert relay.told == ["connection lost: reset" if cause else "connection closed"]
    assert not relay.large


def test_pausing_reaches_the_door_meanwhile() -> None:
    relay = Holding()
    door, _, reception = begun(relay)
    reception.pause_writing()
    assert door.is_full
    reception.resume_writing()
    assert not door.is_full
    assert relay.told == ["paused", "resumed"]


def test_nothing_is_received_in_place_once_the_connection_closes() -> None:
    wire = Wire()
    wire.close()
    RawDoor(Holding(), open_session(), wire).data_received(FIRST)
    assert wire.protocol is None


@pytest.mark.parametrize(
    ("have", "size", "worth"),
    [
        (65_536, 1 << 20, False),  # much announced, little come
        (131_072, 1 << 20, True),
        (131_071, 1 << 20, False),
        (100_000, 165_535, False),  # little missing
        (100_000, 165_536, True),
        (0, 0, False),
        (300_000, 300_000, False),
    ],
)
def test_room_is_taken_for_eight_times_what_came_at_most(have: int, size: int, worth: bool) -> None:
    assert is_worth(have, size) is worth


def test_a_failure_of_the_door_ends_its_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Holding):
        def received_large(self, session: Session, whole: memoryview) -> None:
            raise RuntimeError("broken")

    _, wire, reception = begun(Failing())
    pour(reception, FRAME[len(FIRST) :])
    assert wire.is_cut


@pytest.mark.parametrize("chunk", [70_000, 256_000, 3_000_000])
def test_a_real_connection_delivers_large_and_small_frames_in_order(chunk: int) -> None:
    small = encode(Frame(kind=Kind.PING, id=3))
    sent = (FRAME + small + FRAME + FRAME + small) * 2

    async def story() -> bytes:
        relay = Cutting()
        done = asyncio.get_running_loop().create_future()

        class Watched(RawDoor):
            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                done.set_result(None)

        class Opening(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                transport.set_protocol(Watched(relay, open_session(), transport))

        server = await asyncio.get_running_loop().create_server(Opening, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for at in range(0, len(sent), chunk):
            writer.write(sent[at : at + chunk])
            await writer.drain()
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), 10)
        await asyncio.wait_for(done, 10)
        server.close()
        await asyncio.wait_for(server.wait_closed(), 10)
        assert relay.told == ["connection closed"]
        return relay.heard

    assert asyncio.run(story()) == sent
