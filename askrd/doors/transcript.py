"""Text for a text peer, and its text for the core: the translation both text doors share."""

from __future__ import annotations

from askrd.core.session import Session
from askrd.doors.messages import binary
from askrd.wire.codec import Raw, decode
from askrd.wire.frames import FLAG_OPTIONS, HEADER, Kind
from askrd.wire.names import pattern_matches
from askrd.wire.text import decode_text, encode_text, event_tail


class EventTexts:
    """What the events of one loop turn are to peers that do not hear them as they are.

    Many listeners of one event cost one translation.
    """

    __slots__ = ("_data", "_message", "_tails")

    def __init__(self) -> None:
        self._tails: dict[bytes, bytes] = {}
        self._data: Raw = b""
        self._message = b""

    def message(self, data: Raw) -> bytes:
        """Returns binary frames as a WebSocket message; ``data`` has less than 64 KiB."""
        if data is not self._data:
            self._data, self._message = data, binary(data)
        return self._message

    def tail(self, data: bytes) -> bytes:
        """Returns the part of an event's text that every listener shares."""
        known = self._tails.get(data)
        if known is None:
            known = self._tails[data] = event_tail(decode(data))
        return known

    def forget(self) -> None:
        """Drops them; called when the turn ends."""
        self._tails.clear()
        self._data = self._message = b""


class Transcript:
    """One text peer's translation.

    It remembers which of the peer's subscriptions answers which subject.
    """

    __slots__ = ("_events", "_session", "_subs")

    def __init__(self, session: Session, events: EventTexts) -> None:
        self._session = session
        self._events = events
        self._subs: dict[bytes, int] = {}

    def read(self, line: bytes) -> bytes:
        """Returns the binary frame of one text frame.

        Raises:
            AskrError: the line is no text frame that a peer may send.
        """
        data = decode_text(line)
        if data[4] in (Kind.SUB, Kind.UNSUB):
            self._subs.clear()
        return data

    def texts(self, pieces: list[Raw]) -> list[bytes]:
        """Returns the text frames of whole binary frames given in pieces."""
        data = b"".join(pieces)
        found = []
        at = 0
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at : at + 4], "little")
            frame = data[at:end]
            at = end
            if frame[4] == Kind.EVENT and frame[21] & FLAG_OPTIONS:
                found.append(encode_text(decode(frame), sub=self._sub(frame)))
            elif frame[4] == Kind.EVENT:
                found.append(
                    b'{"k":"event","sub":%d,%b' % (self._sub(frame), self._events.tail(frame))
                )
            elif frame[4] != Kind.PART:
                found.append(encode_text(decode(frame)))
        return found

    def _sub(self, frame: bytes) -> int:
        _, _, stamp_length, name_length, _, _, _ = HEADER.unpack_from(frame)
        at = HEADER.size + stamp_length
        subject = frame[at : at + name_length]
        sub = self._subs.get(subject)
        if sub is None:
            if len(self._subs) >= 1_000:
                self._subs.clear()
            sub = self._subs[subject] = self._lowest(subject.decode("utf-8", "replace"))
        return sub

    def _lowest(self, subject: str) -> int:
        patterns = self._session.subscriptions
        fitting = (id_ for id_, pattern in patterns.items() if pattern_matches(pattern, subject))
        return min(fitting, default=0)
