"""A guest asks the real router in memory: commands, events, state, and how all of it ends."""

import pytest

from askrd.doors.door import Door
from askrd.doors.guest import HEAVY_BYTES, Guest
from askrd.relay import Relay
from askrd.wire.bodies import CallOptions, load
from askrd.wire.codec import Raw
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    CommandUnknown,
    Conflict,
    ConnectionLost,
    NotFound,
    PayloadTooLarge,
)
from askrd.wire.frames import Coding, Kind
from askrd.wire.state import DelOptions, EntryOptions, PutOptions
from tests.unit.askrd.doors.hearsay import Wire
from tests.unit.askrd.scene import run


class GuestDoor(Door):
    """A door whose only peer is a guest."""

    def __init__(self, relay: Relay) -> None:
        session = relay.connect("test", "here")
        super().__init__(relay, session, Wire())
        relay.enter(session, self)
        self.heavy: list[bool] = []
        self.guest = Guest(relay, session, kind="http", on_heavy=self.take_heavy)
        self.guest.open()

    def take_heavy(self, is_heavy: bool) -> None:
        self.heavy.append(is_heavy)
        self.is_full = is_heavy
        if is_heavy:
            self.relay.paused(self.session)
        else:
            self.relay.resumed(self.session)

    def write(self, pieces: list[Raw]) -> None:
        self.guest.take(pieces)


def test_the_daemons_own_commands_answer() -> None:
    async def scene(relay: Relay) -> None:
        guest = GuestDoor(relay).guest
        assert (await guest.ask("$askr.ping"))["protocol"] == "askr/1"
        (peer,) = await guest.ask("$askr.peers")
        assert (peer["kind"], peer["name"]) == ("http", "http")
        assert guest.epoch == "epoch1"

    run(scene)


@pytest.mark.parametrize(("address", "error"), [("nope", CommandUnknown), ("a b", BadRequest),
    ("x" * 70_000, PayloadTooLarge)])  # fmt: skip
def test_a_failure_is_raised(address: str, error: type[AskrError]) -> None:
    async def scene(relay: Relay) -> None:
        with pytest.raises(error):
            await GuestDoor(relay).guest.call(address).value()

    run(scene)


def test_headers_and_options_have_bounds() -> None:
    async def scene(relay: Relay) -> None:
        guest = GuestDoor(relay).guest
        with pytest.raises(PayloadTooLarge):
            guest.call("a.b", headers={"x": "y" * 40_000})
        with pytest.raises(PayloadTooLarge):
            guest.call("a.b", options=CallOptions(key="y" * 40_000))

    run(scene)


def test_events_are_heard_in_order() -> None:
    async def scene(relay: Relay) -> None:
        speaker, hearer = GuestDoor(relay).guest, GuestDoor(relay).guest
        hearing = await hearer.listen("NEWS.*")
        for number in range(5):
            emitted = await speaker.emit("NEWS.x", b"%d" % number, Coding.JSON)
            assert emitted.receivers == 1
        heard = [await hearing.next() for _ in range(5)]
        assert [frame.payload for frame in heard] == [b"0", b"1", b"2", b"3", b"4"]
        with pytest.raises(BadRequest):
            await hearer.listen("a..b")

    run(scene)


def test_a_guest_that_does_not_read_is_paused_and_told_of_the_gap() -> None:
    async def scene(relay: Relay) -> None:
        speaker, door = GuestDoor(relay).guest, GuestDoor(relay)
        hearing = await door.guest.listen("FLOOD")
        for _ in range(1_000):
            await speaker.emit("FLOOD", b"x" * 20_000, Coding.BYTES)
        assert door.heavy == [True]
        came = missed = unread = 0
        while came + missed < 1_000:
            frame = await hearing.next()
            if frame.kind == Kind.GAP:
                missed += int(frame.payload.partition(b'"missed":')[2].partition(b",")[0])
            else:
                came += 1
                unread += len(frame.payload)
        assert missed > 0
        assert unread > HEAVY_BYTES
        assert door.heavy[-1] is False

    run(scene)


def test_state_is_written_read_listed_and_deleted() -> None:
    async def scene(relay: Relay) -> None:
        guest = GuestDoor(relay).guest
        ok = load(
            EntryOptions, (await guest.put("a/b", b"1", Coding.JSON, PutOptions())).options, "ok"
        )
        assert ok.changed is True
        assert (await guest.get("a/b")).payload == b"1"
        with pytest.raises(Conflict):
            await guest.put("a/b", b"2", Coding.JSON, PutOptions(if_rev=ok.rev + 9))
        await guest.put("a/c", b"\0", Coding.BYTES, PutOptions())
        assert [frame.name async for frame in guest.entries("a")] == [b"a/b", b"a/c"]
        await guest.delete("a/b", DelOptions())
        with pytest.raises(NotFound):
            await guest.get("a/b")

    run(scene)


def test_a_nudge_wakes_who_waits_for_events() -> None:
    async def scene(relay: Relay) -> None:
        guest = GuestDoor(relay).guest
        hearing = await guest.listen("X")
        hearing.nudge()
        assert await hearing.next_or_nudge() is None
        await guest.emit("X", b"", Coding.NONE)
        frame = await hearing.next_or_nudge()
        assert frame is not None
        assert frame.kind == Kind.EVENT

    run(scene)


def test_what_is_open_ends_with_the_guest() -> None:
    async def scene(relay: Relay) -> None:
        guest = GuestDoor(relay).guest
        hearing = await guest.listen("X")
        waiting = guest.call("nobody.there", options=CallOptions(wait_ms=60_000))
        relay.close_all("over")
        for exchange in (hearing, waiting):
            with pytest.raises(AskrError):
                await exchange.next()
        with pytest.raises(ConnectionLost):
            guest.call("x")

    run(scene)
