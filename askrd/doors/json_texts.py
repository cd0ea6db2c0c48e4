"""JSON objects without any framing: where one ends and the next begins, however they were cut."""

from __future__ import annotations

import re
from dataclasses import dataclass

from askrd.wire.limits import JSON_DEPTH_MAX

_OUTSIDE = re.compile(rb'["{}\[\]\x00-\x08\x0b\x0c\x0e-\x1f]')
_INSIDE = re.compile(rb'["\\\x00-\x1f]')
_NOT_BLANK = re.compile(rb"[^ \t\r\n]")
_OBJECT = re.compile(rb'\{"\w')
_CLOSER = {b"{": b"}", b"[": b"]"}
_BEGINNING_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no JSON object; what was read with them is dropped.

    Attributes:
        data: the first of them.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class TooLong:
    """A text above the limit, read to its end and not kept.

    Attributes:
        beginning: its first bytes.
        size: how many it had.
    """

    beginning: bytes
    size: int


class JsonTexts:
    """Splits a row of JSON objects, glued or cut anywhere.

    Only brackets and strings are looked at here; a whole text may still be no JSON. A text that
    was broken off is given up when what arrives next can only be another one.

    Attributes:
        size: bytes of the text that has begun; 0 between texts.
    """

    __slots__ = (
        "_beginning", "_closers", "_is_escaped", "_is_in_string", "_last", "_max", "_parts", "size",
    )  # fmt: skip

    def __init__(self, text_bytes_max: int) -> None:
        """Starts between texts; longer texts are counted away and not kept."""
        self._max = text_bytes_max
        self._reset()

    def _reset(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []
        self._beginning = b""
        self._last = b""
        self._closers: list[bytes] = []
        self._is_in_string = False
        self._is_escaped = False

    def feed(self, data: bytes) -> list[bytes | TooLong | Garbage]:
        """Returns what ``data`` completes, in order; garbage drops the rest of ``data`` with it."""
        found: list[bytes | TooLong | Garbage] = []
        at = 0
        if self._closers and self._breaks_off(data):
            found.append(Garbage(self._beginning))
            self._reset()
        while at < len(data):
            if not self._closers:
                first = _NOT_BLANK.search(data, at)
                if first is None:
                    break
                at = first.start()
            start = at
            at = self._scan(data, at)
            if at < 0:
                found.append(Garbage(self._beginning or data[start : start + _BEGINNING_BYTES]))
                self._reset()
                break
            self._keep(data[start:at])
            if not self._closers:
                found.append(self._whole())
                self._reset()
        return found

    def _breaks_off(self, data: bytes) -> bool:
        """Says whether an object begins with ``data`` where, in the text that has begun, none can."""
        if self._is_escaped or not _OBJECT.match(data):
            return False
        before = b":" if self._closers[-1] == b"}" else b"[,"
        return self._is_in_string or self._last not in before

    def _keep(self, part: bytes) -> None:
        self.size += len(part)
        self._last = part.rstrip()[-1:] or self._last
        if len(self._beginning) < _BEGINNING_BYTES:
            self._beginning = (self._beginning + part)[:_BEGINNING_BYTES]
        if self.size > self._max:
            self._parts.clear()
            return
        self._parts.append(part)
        if len(self._parts) > _BEGINNING_BYTES:
            self._parts = [b"".join(self._parts)]

    def _whole(self) -> bytes | TooLong:
        if self.size > self._max:
            return TooLong(self._beginning, self.size)
        return b"".join(self._parts)

    def _scan(self, data: bytes, at: int) -> int:
        """Returns where the text at ``at`` ends, or the end of ``data``; -1 when it is none."""
        if not self._closers and data[at : at + 1] != b"{":
            return -1
        while at < len(data):
            if self._is_escaped:
                self._is_escaped = False
                at += 1
                continue
            mark = (_INSIDE if self._is_in_string else _OUTSIDE).search(data, at)
            if mark is None:
                return len(data)
            at = mark.end()
            if not self._take(mark[0]):
                return -1
            if not self._closers:
                return at
        return at

    def _take(self, mark: bytes) -> bool:
        """Takes in a character that means something; says whether it may stand there."""
        if mark == b'"':
            self._is_in_string = not self._is_in_string
        elif self._is_in_string:
            self._is_escaped = mark == b"\\"
            return self._is_escaped
        elif mark in _CLOSER:
            self._closers.append(_CLOSER[mark])
            return len(self._closers) <= JSON_DEPTH_MAX
        else:
            return self._closers.pop() == mark
        return True
