"""What leaves through a door: small pieces together, large ones as they are."""

from askrd.doors.door import APART_BYTES, APART_PIECES_MAX, RawDoor, in_runs
from tests.unit.askrd.doors.hearsay import Hearing, Wire, open_session

LARGE = b"L" * APART_BYTES


def test_small_pieces_are_joined() -> None:
    assert in_runs([b"a", b"bc", b"", b"d"]) == [b"abcd"]


def test_large_pieces_are_not_copied() -> None:
    view = memoryview(LARGE)
    runs = in_runs([b"a", b"b", view, view, b"c", b"d", LARGE])
    assert runs == [b"ab", LARGE, LARGE, b"cd", LARGE]
    assert runs[1] is view
    assert runs[4] is LARGE


def test_very_many_pieces_are_joined_unseen() -> None:
    pieces: list[bytes | memoryview] = [LARGE] * (APART_PIECES_MAX + 1)
    assert in_runs(pieces) == [LARGE * (APART_PIECES_MAX + 1)]


def test_a_raw_door_writes_the_pieces_in_order() -> None:
    wire = Wire()
    door = RawDoor(Hearing(), open_session(), wire)
    door.write([b"one"])
    door.write([b"two", b"three"])
    door.write([b"head", memoryview(LARGE), b"tail"])
    assert wire.pieces == [b"one", b"twothree", b"head", LARGE, b"tail"]
