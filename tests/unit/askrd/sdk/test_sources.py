"""What can be uploaded, in which pieces, and what is said about the rest."""

import io
from pathlib import Path
from typing import Any

import pytest

from askrd.sdk.sources import Blamed, items_of, source_of
from askrd.wire.errors import SchemaInvalid
from askrd.wire.frames import Coding
from askrd.wire.limits import STREAM_ITEM_BYTES


def items(upload: Any) -> list[tuple[bytes, int]]:
    values: Any = source_of(upload).values
    return [item for value in values for item in items_of(value)]


def test_bytes_go_in_pieces() -> None:
    data = bytes(range(256)) * 300
    pieces = items(data)
    assert [len(piece) for piece, _ in pieces] == [STREAM_ITEM_BYTES, len(data) - STREAM_ITEM_BYTES]
    assert b"".join(piece for piece, _ in pieces) == data
    assert {coding for _, coding in pieces} == {Coding.BYTES}


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_bytes_is_one(kind: Any) -> None:
    assert items([kind(b"abc")]) == items(kind(b"abc")) == [(b"abc", Coding.BYTES)]


def test_other_values_are_items_of_json() -> None:
    assert items([1, {"a": None}, "é", None]) == [
        (b"1", Coding.JSON), (b'{"a":null}', Coding.JSON), ('"é"'.encode(), Coding.JSON),
        (b"", Coding.NONE),
    ]  # fmt: skip


def test_nothing_has_no_items() -> None:
    assert items([]) == items(b"") == items(io.BytesIO()) == []


def test_a_file_gives_what_it_has_and_may_block() -> None:
    class Dripping(io.RawIOBase):
        """A pipe that gives a little at a time."""

        def __init__(self) -> None:
            self.left = [b"a", b"bc"]

        def read(self, size: int = -1) -> bytes:
            return self.left.pop(0) if self.left else b""

    source = source_of(Dripping())
    assert source.may_block
    assert items(source) == [(b"a", Coding.BYTES), (b"bc", Coding.BYTES)]


def test_an_asynchronous_iterable_has_to_be_awaited() -> None:
    async def numbers() -> Any:
        yield 1

    assert source_of(numbers()).is_async
    assert not source_of([1]).is_async


@pytest.mark.parametrize(
    ("upload", "message"),
    [
        ("a.bin", r"upload=open\('a.bin', 'rb'\)"),
        (Path("a.bin"), r"upload=open\("),
        ({"a": 1}, r"upload=\[\{...\}\]"),
        (io.StringIO("x"), "open it with mode 'rb'"),
        (5, "a file opened by open"),
    ],
)
def test_what_is_no_source_says_what_is(upload: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        source_of(upload)


def test_a_file_that_gives_text_is_noticed_when_it_is_read() -> None:
    class Text:
        def read(self, size: int) -> str:
            return "x"

    with pytest.raises(TypeError, match="mode 'rb'"):
        items(Text())


def test_an_item_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(SchemaInvalid, match="an item of the upload"):
        items([object()])


def test_what_is_raised_in_a_thread_is_raised_where_it_is_awaited() -> None:
    blamed: list[BaseException] = []
    with Blamed(blamed.append):
        raise OSError("gone")
    assert [str(error) for error in blamed] == ["gone"]
