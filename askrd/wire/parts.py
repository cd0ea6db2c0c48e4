"""Large frames that travel in parts: the open groups of one connection, bounded and linear."""

from askrd.wire.codec import Malformed, decode
from askrd.wire.errors import BadRequest
from askrd.wire.frames import FLAG_MORE, Frame, Kind
from askrd.wire.limits import PART_GROUPS_MAX


class Parts:
    """Puts the frames of `part` groups together; a byte is kept once, whatever the parts' size."""

    __slots__ = ("_groups", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        """Starts without groups; ``frame_bytes_max`` is the largest whole frame."""
        self.frame_bytes_max = frame_bytes_max
        self._groups: dict[int, bytearray] = {}

    @property
    def held_bytes(self) -> int:
        """Bytes of frames that are not whole yet; at most 4 frames."""
        return sum(map(len, self._groups.values()))

    def add(self, part: Frame) -> bytes | None:
        """Returns the bytes of the whole frame when ``part`` is the last of its group, else None.

        Raises:
            Malformed: too many groups are open, or the group is above the frame limit; close.
            BadRequest: the whole is no frame, or itself a part; the group is forgotten.
        """
        group = self._groups.get(part.id)
        if group is None:
            if len(self._groups) >= PART_GROUPS_MAX:
                raise Malformed(f"more than {PART_GROUPS_MAX} groups of parts are open")
            group = self._groups[part.id] = bytearray()
        if len(group) + len(part.payload) > self.frame_bytes_max:
            raise Malformed("the parts of one frame are together above the frame limit")
        group += part.payload
        if part.flags & FLAG_MORE:
            return None
        whole = bytes(self._groups.pop(part.id))
        if decode(whole).kind == Kind.PART:
            raise BadRequest("a part holds no parts")
        return whole
