"""Holds what waits for one session: order, gaps, conflation, bounds."""

import pytest

from askrd.core.lanes import EventLane, UrgentLane
from askrd.core.outbox import Outbox
from askrd.wire.bodies import Gap, dump, load
from askrd.wire.codec import Assembly, Raw, decode, encode, split
from askrd.wire.frames import FLAG_KEPT, Frame, Kind
from askrd.wire.limits import EVENT_QUANTUM_BYTES, GAP_SUBJECTS_MAX, MIB, Limits

SMALL = Limits(outbox_frames_max=4, outbox_bytes_max=2_000)
ANSWER = encode(Frame(kind=Kind.REPLY, id=1))


class Full:
    """Counts how often an outbox says that it is full."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def event(seq: int, subject: str = "news", size: int = 0) -> bytes:
    stamp = b"\0" * 8 + b"me@1"
    return encode(
        Frame(kind=Kind.EVENT, id=seq, name=subject.encode(), stamp=stamp, payload=bytes(size))
    )


def change(key: str, rev: int, *, kept: int = 0, size: int = 0) -> bytes:
    options = dump({"rev": rev, "watch": kept} if kept else {"rev": rev})
    flags = FLAG_KEPT if kept else 0
    return encode(
        Frame(
            kind=Kind.CHANGE, id=rev, name=key.encode(), options=options, flags=flags,
            payload=bytes(size),
        )
    )  # fmt: skip


def gap_of(data: bytes) -> Gap:
    frame = decode(data)
    assert frame.kind == Kind.GAP
    return load(Gap, frame.payload, "gap")


def paused(limits: Limits = SMALL) -> tuple[Outbox, Full]:
    full = Full()
    box = Outbox(limits, full)
    box.pause()
    return box, full


def test_one_list_holds_everything_while_nothing_is_paused() -> None:
    box = Outbox(SMALL, Full())
    box.urgent.append(ANSWER)
    box.events.append(event(1))
    box.urgent.append(ANSWER)
    assert box.waiting == (3, 2 * len(ANSWER) + len(event(1)))
    assert box.take() == [ANSWER, event(1), ANSWER]
    assert box.take() == []


def test_what_waited_before_the_pause_stays_in_front() -> None:
    full = Full()
    box = Outbox(SMALL, full)
    box.events.append(event(1))
    box.pause()
    box.pause()
    box.urgent.append(ANSWER)
    assert box.take() == [event(1), ANSWER]


def test_urgent_frames_overtake_events_while_paused() -> None:
    box, _ = paused()
    box.events.append(event(1))
    box.urgent += (ANSWER[:10], ANSWER[10:])
    assert box.waiting == (2, len(ANSWER) + len(event(1)))
    assert b"".join(box.take()) == ANSWER + event(1)
    assert box.is_paused
    assert box.take() == []
    assert not box.is_paused, "when nothing waits the lanes are one again"


def test_the_oldest_events_are_dropped_and_a_gap_stands_where_they_stood() -> None:
    box, full = paused()
    for seq in range(1, 10):
        box.events.append(event(seq, "a" if seq % 2 else "b"))
    gap, *events = box.take()
    assert [decode(data).id for data in events] == [6, 7, 8, 9]
    told = gap_of(gap)
    assert (told.missed, told.from_, told.to, told.subjects) == (5, 1, 5, {"a": 3, "b": 2})
    assert box.dropped == 5
    box.take()
    assert box.dropped == 5, "it counts since the session began"
    assert full.times == 0


def test_events_are_bounded_by_their_bytes_too() -> None:
    box, _ = paused()
    box.events.append(event(1, size=1_000))
    box.events.append(event(2, size=1_000))
    box.events.append(event(3, size=9_000))
    (gap,) = box.take()
    assert gap_of(gap).missed == 3


def test_a_gap_names_a_bounded_number_of_subjects() -> None:
    box, _ = paused()
    for seq in range(1, 60):
        box.events.append(event(seq, f"s{seq}"))
    told = gap_of(box.take()[0])
    assert told.missed == 55
    assert len(told.subjects) == GAP_SUBJECTS_MAX


def test_only_the_newest_change_of_a_key_waits_and_stands_last() -> None:
    box, _ = paused()
    for rev, key in enumerate(("a", "b", "a", "c", "a"), 1):
        box.events.append(change(key, rev))
    assert [decode(data).id for data in box.take()] == [2, 4, 5]


def test_rows_of_snapshots_and_what_ends_them_are_kept_as_they_are() -> None:
    box, _ = paused(Limits(outbox_frames_max=20))
    synced = encode(Frame(kind=Kind.SYNCED, id=5))
    rows = [change("a", 1, kept=5), synced, change("a", 1, kept=5), synced]
    for row in rows:
        box.events.append(row)
    assert box.take() == rows


def test_changes_of_too_many_keys_end_the_session() -> None:
    box, full = paused()
    for number in range(9):
        box.events.append(change(f"k{number}", number + 1))
    assert full.times == 1
    assert len(box.take()) == SMALL.outbox_frames_max + 1, "nothing more is kept"


def test_changes_are_bounded_by_their_bytes() -> None:
    box, full = paused()
    box.events.append(change("a", 1, size=1_900))
    box.events.append(change("a", 2, size=1_900))
    assert full.times == 0, "the newer one took the place of the older"
    box.events.append(change("b", 3, size=1_900))
    assert full.times == 1


def test_a_flood_of_events_does_not_hold_up_changes() -> None:
    box, _ = paused(Limits())
    half = EVENT_QUANTUM_BYTES // 2
    box.events.append(event(1, size=EVENT_QUANTUM_BYTES))
    box.events.append(event(2, size=EVENT_QUANTUM_BYTES))
    for number in range(3):
        box.events.append(change(f"k{number}", number + 1, size=half))
    kinds = [decode(data).kind for data in box.take()]
    assert kinds == [Kind.CHANGE, Kind.EVENT]
    assert [decode(data).kind for data in box.take()] == [Kind.CHANGE, Kind.EVENT]
    assert [decode(data).kind for data in box.take()] == [Kind.CHANGE]


def test_urgent_frames_that_pile_up_are_reported_once_and_then_kept_no_more() -> None:
    box, full = paused()
    for _ in range(20):
        box.urgent.append(ANSWER)
        box.urgent += (ANSWER,)
    assert full.times == 1
    assert box.take() == [ANSWER] * (SMALL.outbox_frames_max + 1)


def test_the_word_about_a_full_outbox_still_gets_in() -> None:
    said = encode(Frame(kind=Kind.ERROR))

    def on_full() -> None:
        box.urgent.append(said)

    box = Outbox(SMALL, on_full)
    for _ in range(3):
        box.urgent.append(bytes(1_000))
    box.pause()
    assert box.take()[-1] == said


@pytest.mark.parametrize("bound", [Limits(outbox_frames_max=3), Limits(outbox_bytes_max=90)])
def test_a_full_lane_is_full_by_frames_and_by_bytes(bound: Limits) -> None:
    full = Full()
    lane = UrgentLane(bound, full)
    for _ in range(3):
        lane.append(bytes(30))
    assert full.times == 0
    lane.append(bytes(1))
    assert full.times == 1


def test_a_lane_says_how_much_waits() -> None:
    lane = EventLane(SMALL, Full())
    lane.append(event(1))
    lane.append(change("a", 1))
    assert (len(lane), lane.waiting_bytes) == (2, len(event(1)) + len(change("a", 1)))
    lane.take(10_000)
    assert (len(lane), lane.waiting_bytes) == (0, 0)


# --- streams and calls ---------------------------------------------------------------------------


def piece(id_: int, size: int = 0, kind: Kind = Kind.ITEM) -> bytes:
    return encode(Frame(kind=kind, id=id_, payload=b"x" * size))


def ids(data: list[Raw]) -> list[int]:
    return [
        decode(item).id for item in split(Assembly(MIB), b"".join(data)) if isinstance(item, bytes)
    ]


def test_streams_stand_between_urgent_frames_and_events_while_paused() -> None:
    outbox, _ = paused(Limits())
    outbox.events.append(encode(Frame(kind=Kind.EVENT, id=3, name=b"a")))
    outbox.bulk.extend((piece(2),))
    outbox.urgent.append(piece(1, kind=Kind.PONG))
    assert outbox.waiting[0] == 3
    assert ids(outbox.take()) == [1, 2, 3]
    assert outbox.take() == []
    assert outbox.bulk is outbox.urgent


def test_streams_are_written_a_portion_at_a_time() -> None:
    outbox, _ = paused(Limits())
    for id_ in range(1, 11):
        outbox.bulk.extend((piece(id_, 20_000),))
    first = ids(outbox.take())
    outbox.urgent.append(piece(99, kind=Kind.PONG))
    second = ids(outbox.take())
    assert first == [1, 2, 3, 4]
    assert second == [99, 5, 6, 7, 8]


@pytest.mark.parametrize("limits", [{"outbox_frames_max": 3}, {"outbox_bytes_max": 300}])
def test_streams_that_pile_up_are_reported_once(limits: dict[str, int]) -> None:
    outbox, full = paused(Limits(**limits))
    for id_ in range(1, 20):
        outbox.bulk.extend((piece(id_, 70),))
    assert full.times == 1
    assert outbox.waiting[0] == 4


@pytest.mark.parametrize("is_paused", [True, False])
def test_calls_that_nobody_wrote_can_be_taken_back(is_paused: bool) -> None:
    outbox = Outbox(Limits(), Full())
    if is_paused:
        outbox.pause()
    call = Frame(
        kind=Kind.CALL, id=7, name=b"agent.fetch", stamp=b"me@i1", payload=b"p", head=b"{}"
    )
    large = encode(Frame(kind=Kind.CALL, id=8, name=b"a.b", payload=b"y" * 500, coding=2))
    outbox.urgent.append(piece(1, kind=Kind.PONG))
    outbox.urgent.append(encode(call))
    outbox.urgent += (large[:40], memoryview(large)[40:])
    outbox.urgent.append(encode(Frame(kind=Kind.CALL, id=0, name=b"a.told")))
    outbox.urgent.append(piece(2, kind=Kind.CANCEL))
    taken = outbox.recall()
    assert set(taken) == {7, 8}
    assert taken[7] == (0x0100, b"\x02\0{}p")
    assert taken[8] == (2, b"y" * 500)
    left = [decode(bytes(frame)) for frame in outbox.take()]
    assert [(frame.kind, frame.id) for frame in left] == [
        (Kind.PONG, 1), (Kind.CALL, 0), (Kind.CANCEL, 2),
    ]  # fmt: skip
    assert outbox.recall() == {}
