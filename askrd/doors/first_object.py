"""Two tongues begin with ``{``: the first JSON object of a connection says which one it is."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from askrd.doors.json_texts import JsonTexts
from askrd.wire.limits import HANDSHAKE_BYTES_MAX

Tongue = Literal["askr", "node-askr"]
_NODE_ASKR = re.compile(rb'\s*\{\s*"(?:workspace|mid|command|data|type|eventType|payload)"\s*:')
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class FirstObject:
    """Reads a connection's first object until it says what is spoken.

    Lines of askr have a ``k``; an object without one is node-askr's. What can be neither, or
    comes in several lines, is left to the lines: they say what is wrong with it.
    """

    __slots__ = ("_beginning", "_texts")

    def __init__(self) -> None:
        self._texts = JsonTexts(HANDSHAKE_BYTES_MAX)
        self._beginning = b""

    def feed(self, data: bytes) -> Tongue | None:
        """Takes in what arrived; returns the tongue as soon as it is certain."""
        self._beginning += data[: HANDSHAKE_BYTES_MAX - len(self._beginning)]
        found = self._texts.feed(data)
        if found:
            first = found[0]
            return _tongue_of(first) if isinstance(first, bytes) else self._guess()
        if b"\n" in data:
            return "askr"
        return self._guess() if self._texts.size > HANDSHAKE_BYTES_MAX else None

    def _guess(self) -> Tongue:
        """Judges an object longer than any hello by its first member."""
        return "node-askr" if _NODE_ASKR.match(self._beginning) else "askr"


def _tongue_of(text: bytes) -> Tongue:
    try:
        members = _OBJECT.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return "askr"
    return "askr" if "k" in members else "node-askr"
