"""Holds the table of a log: events by number, what is seen of them, what goes."""

from hypothesis import given, strategies as st

from askrd.core.logs import Log, fits
from askrd.wire.codec import encode
from askrd.wire.frames import STAMP_TIME, Frame, Kind
from askrd.wire.logs import LogDefinition


def log(**limits: int) -> Log:
    return Log("askr", LogDefinition(name="orders", patterns=["**"], **limits))


def event(ts_ms: int = 0, subject: str = "a.b", size: int = 0) -> bytes:
    stamp = STAMP_TIME.pack(ts_ms * 1000) + b"me@i"
    return encode(Frame(kind=Kind.EVENT, name=subject.encode(), stamp=stamp, payload=bytes(size)))


def test_an_event_is_seen_once_it_is_safe() -> None:
    book = log()
    assert (book.first, book.last, len(book)) == (1, 0, 0)
    entry = book.append(event(5, "a.c"))
    assert (entry.seq, entry.subject, entry.ts_ms) == (1, "a.c", 5)
    assert (book.get(1), book.after(0)) == (None, None)
    book.settle(1)
    assert book.get(1) is book.after(0) is entry
    assert (book.after(1), book.get(2)) == (None, None)


def test_a_withdrawn_event_leaves_a_hole() -> None:
    book = log()
    for _ in range(3):
        book.append(event())
    book.withdraw(2)
    book.withdraw(2)
    book.settle(3)
    assert [book.after(0), book.after(1), book.get(2)] == [book.get(1), book.get(3), None]
    assert (len(book), book.refused, book.size) == (2, 2, 2 * len(event()))
    assert book.count_after(1) == 1


def test_before_finds_the_place_of_a_time() -> None:
    book = log()
    for ts_ms in (10, 20, 20, 30):
        book.append(event(ts_ms))
    assert [book.before(ts_ms) for ts_ms in (5, 10, 11, 20, 25, 31)] == [0, 0, 1, 1, 3, 4]


def test_the_newest_event_stays_however_large() -> None:
    book = log(bytes=1024)
    book.append(event(size=10))
    book.append(event(size=5_000))
    book.settle(2)
    book.trim(0, 10)
    assert (len(book), book.first) == (1, 2)


def test_a_filter_of_everything_has_the_daemons_own_news() -> None:
    assert fits("**", "$askr.peer.joined")
    assert not fits("*.**", "$askr.peer.joined")
    assert fits("$askr.peer.*", "$askr.peer.joined")
    assert fits("a.*", "a.b")


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 10), st.integers(0, 50))
def test_a_log_holds_the_newest_within_its_limits(ages: list[int], count: int, age_ms: int) -> None:
    book = log(count=count, age_ms=age_ms)
    model: list[tuple[int, int]] = []
    now_ms = 100
    for seq, step in enumerate(ages, 1):
        now_ms += step
        book.append(event(now_ms))
        book.settle(seq)
        model.append((seq, now_ms))
        model = [(s, t) for s, t in model[-count:] if not age_ms or t + age_ms > now_ms]
        book.trim(now_ms, 100)
        assert [seq for seq, _ in model] == list(seqs(book))
        assert book.size == len(book) * len(event())
        assert book.gone == (model[0][0] - 1 if model else seq)
    assert list(book.doomed) == list(range(1, book.gone + 1))


def seqs(book: Log) -> list[int]:
    found, entry = [], book.after(0)
    while entry is not None:
        found.append(entry.seq)
        entry = book.after(entry.seq)
    return found


def test_room_of_what_went_is_given_back() -> None:
    book = log(count=10)
    for _ in range(10_000):
        book.settle(book.append(event()).seq)
        book.trim(0, 10)
    assert len(book._entries) < 3_000
    assert book.purge(10_000) == 10
    assert (book.purged, book.first, book.size) == (10_000, 10_001, 0)
