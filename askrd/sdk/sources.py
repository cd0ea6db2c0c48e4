"""Where the items of an upload come from: files, iterables and asynchronous iterables, in pieces.

Bytes travel in pieces of at most 64 KiB; every other value is one item of JSON.
"""

import io
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

from askrd.sdk.shape import said
from askrd.wire.frames import Coding
from askrd.wire.limits import STREAM_ITEM_BYTES

Item = tuple[bytes, int]
"""Payload and coding."""

_BINARY = (bytes, bytearray, memoryview)
_WANTED = (
    "it takes a file opened by open(path, 'rb'), bytes, an iterable, or an asynchronous iterable"
)


class Source:
    """The items of one upload, before they are encoded.

    Attributes:
        values: they come from here; one of two kinds of iterator.
        may_block: whether the next one may take a while, as from a file.
    """

    __slots__ = ("may_block", "values")

    def __init__(
        self, values: Iterator[Any] | AsyncIterator[Any], *, may_block: bool = False
    ) -> None:
        """Takes them from ``values``."""
        self.values = values
        self.may_block = may_block

    @property
    def is_async(self) -> bool:
        """Whether its values have to be awaited."""
        return not hasattr(self.values, "__next__")


def source_of(upload: Any, *, may_block: bool = False) -> Source:
    """Returns where an upload's items come from.

    Args:
        upload: what the caller gave.
        may_block: whether an iterable may take a while for its next item; a file always may.

    Raises:
        TypeError: it can be none; the message says what can.
    """
    if isinstance(upload, Source):
        return upload
    if isinstance(upload, _BINARY):
        return Source(iter((upload,)))
    if isinstance(upload, str | os.PathLike):
        raise TypeError(f"upload={upload!r} is only a name: write upload=open({upload!r}, 'rb')")
    if isinstance(upload, dict):
        raise TypeError("upload= is a dict: the sole item is upload=[{...}], else it is a payload")
    if isinstance(upload, io.TextIOBase):
        raise TypeError("upload= is a file of text: open it with mode 'rb', so that it gives bytes")
    read = getattr(upload, "read1", None) or getattr(upload, "read", None)
    if callable(read):
        return Source(_read(read), may_block=True)
    if hasattr(upload, "__aiter__"):
        return Source(aiter(upload))
    try:
        return Source(iter(upload), may_block=may_block)
    except TypeError:
        raise TypeError(f"upload={upload!r}: {_WANTED}") from None


def pieces_of(value: bytes | bytearray | memoryview, begin: int = 0) -> Iterator[bytes]:
    """Yields bytes from ``begin`` on in pieces that fit into an item; nothing of nothing."""
    data = value if isinstance(value, bytes) else bytes(value)
    for at in range(begin, len(data), STREAM_ITEM_BYTES):
        yield data[at : at + STREAM_ITEM_BYTES]


def items_of(value: Any) -> Iterable[Item]:
    """Returns one value of a source as the items it travels in.

    Raises:
        SchemaInvalid: it cannot be said in JSON.
    """
    if isinstance(value, _BINARY):
        for piece in pieces_of(value):
            yield piece, Coding.BYTES
    else:
        yield said(value, "an item of the upload")


class Blamed:
    """Hands what is raised inside it to somebody else, who raises it where it is awaited.

    A source is foreign code in a thread: nobody would see its error there.
    """

    __slots__ = ("_blame",)

    def __init__(self, blame: Callable[[BaseException], object]) -> None:
        """Calls ``blame`` with what is raised."""
        self._blame = blame

    def __enter__(self) -> None:
        """Begins."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is not None:
            self._blame(error)
        return True


def _read(read: Callable[[int], Any]) -> Iterator[Any]:
    while piece := read(STREAM_ITEM_BYTES):
        if isinstance(piece, str):
            raise TypeError("upload= is a file of text: open it with mode 'rb'")
        yield piece
