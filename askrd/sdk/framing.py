"""Bytes of a connection to frames and back, for raw connections and for WebSocket.

Nothing here opens a socket or waits. `websockets` is loaded only when it is spoken.
"""

from typing import TYPE_CHECKING, Protocol

import msgspec

from askrd import compression
from askrd.sdk.errors import CannotConnect
from askrd.wire.addresses import DaemonAddress
from askrd.wire.blocks import Packer, Unpacker
from askrd.wire.codec import Assembly, Malformed, decode
from askrd.wire.frames import (
    HEADER,
    MAGIC,
    MAGIC_COMPRESSED,
    SIZE_BYTES,
    SUBPROTOCOL_BINARY,
    Frame,
    Kind,
)
from askrd.wire.limits import HEADER_BYTES, ID_MAX, OVERHEAD_BYTES_MAX, PAYLOAD_BYTES_HARD_MAX
from askrd.wire.parts import Parts

if TYPE_CHECKING:
    from websockets.typing import Subprotocol

FRAME_BYTES_MAX = PAYLOAD_BYTES_HARD_MAX + OVERHEAD_BYTES_MAX
"""Largest frame a daemon may send, however it is configured."""
MESSAGE_BYTES_MAX = 4 * FRAME_BYTES_MAX
"""Largest WebSocket message: the daemon puts several frames into one."""
_ANSWER_BYTES_MAX = 16
_REFUSAL = b'{"k":"error"'
"""How a line begins in which a daemon says why it does not let anybody in."""
_PART = int(Kind.PART)
_unpack = HEADER.unpack_from


class Framing(Protocol):
    """How frames travel on one connection."""

    def opening(self) -> bytes:
        """Returns the first bytes of the connection."""
        ...

    @property
    def taken_bytes(self) -> int:
        """How many bytes the frames had that `receive` returned."""
        ...

    def receive(self, data: bytes) -> list[Frame]:
        """Returns the frames that ``data`` completes.

        Raises:
            AskrError: the bytes cannot be understood; the connection must be closed.
        """
        ...

    def answer(self) -> bytes:
        """Returns what the framing itself has to write after `receive`; often nothing."""
        ...

    def send(self, frames: list[bytes]) -> bytes:
        """Returns the bytes to write for whole frames; nothing while it may not write yet."""
        ...

    def close(self) -> bytes:
        """Returns the last bytes of the connection."""
        ...

    @property
    def may_return(self) -> bool:
        """Whether coming back unchanged makes sense after the other side closed."""
        ...


def framing_for(address: DaemonAddress) -> Framing:
    """Returns the framing that is spoken at ``address``."""
    if address.scheme in {"unix", "tcp", "askrs"}:
        return RawFraming(compression.kinds() if address.wants_compression else (), url=address.url)
    return WebSocketFraming(address)


class FrameReader:
    """Frames out of chunks of any size, with the parts of large frames joined.

    Attributes:
        taken_bytes: how many bytes the whole frames had that came so far.
        unpacker: what unpacks all that comes; None = it travels as it is.
    """

    __slots__ = ("_assembly", "_parts", "taken_bytes", "unpacker")

    def __init__(self) -> None:
        self.taken_bytes = 0
        self.unpacker: Unpacker | None = None
        self._assembly = Assembly(FRAME_BYTES_MAX)
        self._parts = Parts(FRAME_BYTES_MAX)

    @property
    def is_between_frames(self) -> bool:
        """Whether the next byte begins a frame."""
        return self._assembly.is_empty

    def read(self, data: bytes) -> list[Frame]:
        """Returns the frames that ``data`` completes.

        Raises:
            Malformed: the bytes are no frames.
            Oversize: a frame is larger than any daemon may send.
            BadRequest: a frame contradicts itself.
        """
        assembly = self._assembly
        if self.unpacker is not None:
            data = self.unpacker.unpack(data)
        if not assembly.is_empty:
            data = assembly.join(data)
        frames: list[Frame] = []
        at, length = 0, len(data)
        while length - at >= HEADER_BYTES:
            size, kind, stamp_length, name_length, id_, ttl_ms, tail = _unpack(data, at)
            end = at + SIZE_BYTES + size
            name_at = at + HEADER_BYTES + stamp_length
            payload_at = name_at + name_length
            if payload_at > end or end > length or end - at > FRAME_BYTES_MAX:
                break
            if tail > 0xFF or id_ > ID_MAX or kind == _PART:
                self._read_rare(data[at:end], frames)
            else:
                frames.append(
                    Frame(
                        kind=kind,
                        id=id_,
                        name=data[name_at:payload_at],
                        payload=data[payload_at:end],
                        coding=tail,
                        ttl_ms=ttl_ms,
                        stamp=data[at + HEADER_BYTES : name_at],
                    )
                )
            at = end
        self.taken_bytes += at
        if at < length:
            assembly.hold(data[at:])
        return frames

    def _read_rare(self, data: bytes, frames: list[Frame]) -> None:
        """Reads a frame with flags, sections or hops, or a part of one, or one that is refused."""
        frame = decode(data)
        if frame.kind == Kind.PART:
            whole = self._parts.add(frame)
            if whole is None:
                return
            frame = decode(whole)
        frames.append(frame)


class RawFraming:
    """Frames one behind the other, after the magic; in compressed blocks where both sides want to."""

    __slots__ = ("_answer", "_held", "_is_new", "_kinds", "_packer", "_reader", "_url")

    may_return = True

    def __init__(self, kinds: tuple[str, ...] = (), *, url: str = "") -> None:
        """Prepares to speak.

        Args:
            kinds: of compression to ask for, the best first.
            url: where, for what is said when the daemon refuses.
        """
        self._url = url
        self._is_new = True
        self._reader = FrameReader()
        self._kinds = kinds
        self._packer: Packer | None = None
        self._answer: bytes | None = b"" if kinds else None  # None = nothing is to be answered
        self._held: list[bytes] = []

    @property
    def taken_bytes(self) -> int:
        """How many bytes the frames had that came so far."""
        return self._reader.taken_bytes

    def opening(self) -> bytes:
        """Returns the magic, with the kinds of compression that would do."""
        if not self._kinds:
            return MAGIC
        return MAGIC_COMPRESSED + " ".join(self._kinds).encode() + b"\n"

    def receive(self, data: bytes) -> list[Frame]:
        """Returns the frames that ``data`` completes.

        Raises:
            CannotConnect: the daemon refuses, and says why.
            AskrError: the bytes are no frames, or something else than askrd speaks.
        """
        if self._is_new and data:
            self._is_new = False
            if data.startswith(_REFUSAL):
                raise CannotConnect(self._url, _said_in(data) or "the connection is refused")
        if self._answer is not None:
            data = self._agree(data)
        return self._reader.read(data)

    def _agree(self, data: bytes) -> bytes:
        """Reads which kind the daemon has chosen; returns what follows."""
        assert self._answer is not None
        kind, end, rest = (self._answer + data).partition(b"\n")
        chosen = kind.decode("ascii", "replace")
        if not end and len(kind) < _ANSWER_BYTES_MAX:
            self._answer = kind
            return b""
        if chosen in self._kinds:
            self._packer = compression.packer(chosen)
            self._reader.unpacker = compression.unpacker(chosen)
        elif chosen != "plain":
            raise Malformed("what answers there does not know compression: set ASKR_COMPRESS=0")
        self._answer = None
        return rest

    def answer(self) -> bytes:
        """Returns frames that waited for the daemon's choice."""
        if self._answer is not None or not self._held:
            return b""
        held, self._held = self._held, []
        return self.send(held)

    def send(self, frames: list[bytes]) -> bytes:
        """Returns the frames, joined; they wait until the daemon has chosen how they travel."""
        if self._answer is not None:
            self._held += frames
            return b""
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        return data if self._packer is None else self._packer.pack(data)

    def close(self) -> bytes:
        """Returns nothing: the end of the stream says it."""
        return b""


class WebSocketFraming:
    """Frames in binary messages."""

    def __init__(self, address: DaemonAddress) -> None:
        """Prepares a handshake with ``address``."""
        from websockets.client import ClientProtocol
        from websockets.uri import parse_uri

        kinds = compression.kinds() if address.wants_compression else ()
        scheme = "wss" if address.is_tls else "ws"
        url = f"{scheme}:{address.url.partition(':')[2]}"
        self._url = address.url
        self._protocol: ClientProtocol = ClientProtocol(
            parse_uri(url),
            subprotocols=[_subprotocol(kind) for kind in (*kinds, "")],
            max_size=MESSAGE_BYTES_MAX,
        )
        self._packer: Packer | None = None
        self._reader = FrameReader()
        self._message: list[bytes] = []
        self._held: list[bytes] = []
        self._is_open = False

    @property
    def may_return(self) -> bool:
        """Whether the close code lies below 4500."""
        said = self._protocol.close_rcvd
        return said is None or not 4500 <= said.code < 5000

    @property
    def taken_bytes(self) -> int:
        """How many bytes the frames had that came so far."""
        return self._reader.taken_bytes

    def opening(self) -> bytes:
        """Returns the handshake's request."""
        request = self._protocol.connect()
        self._protocol.send_request(request)
        return b"".join(self._protocol.data_to_send())

    def receive(self, data: bytes) -> list[Frame]:
        """Returns the frames that ``data`` completes.

        Raises:
            CannotConnect: the handshake was refused, or something else than askrd answered.
            AskrError: a message does not hold whole frames.
        """
        self._protocol.receive_data(data)
        frames: list[Frame] = []
        for event in self._protocol.events_received():
            if not self._is_open:
                self._opened()
            else:
                self._read(event, frames)
        if self._protocol.handshake_exc is not None:
            response = getattr(self._protocol.handshake_exc, "response", None)
            said = _said_in(getattr(response, "body", None) or b"")
            why = said or f"the handshake failed: {self._protocol.handshake_exc}"
            raise CannotConnect(self._url, why)
        return frames

    def answer(self) -> bytes:
        """Returns pongs, a closing handshake, and frames that waited for the opening one."""
        if self._is_open and self._held:
            held, self._held = self._held, []
            self._send(held)
        return b"".join(self._protocol.data_to_send())

    def send(self, frames: list[bytes]) -> bytes:
        """Returns one message with the frames; they wait while the handshake lasts."""
        if not self._is_open:
            self._held += frames
            return b""
        if self._protocol.state.name == "OPEN":
            self._send(frames)
        return b"".join(self._protocol.data_to_send())

    def close(self) -> bytes:
        """Returns the closing handshake's first half."""
        if self._is_open and self._protocol.state.name == "OPEN":
            self._protocol.send_close(1000)
        return b"".join(self._protocol.data_to_send())

    def _opened(self) -> None:
        if self._protocol.handshake_exc is not None:
            return
        chosen, _, kind = str(self._protocol.subprotocol or "").partition(f"{SUBPROTOCOL_BINARY}.")
        if kind:
            self._packer = compression.packer(kind)
            self._reader.unpacker = compression.unpacker(kind)
        elif chosen != SUBPROTOCOL_BINARY:
            raise CannotConnect(self._url, "a WebSocket server answers there that is no askrd")
        self._is_open = True

    def _send(self, frames: list[bytes]) -> None:
        data = b"".join(frames)
        self._protocol.send_binary(data if self._packer is None else self._packer.pack(data))

    def _read(self, event: object, frames: list[Frame]) -> None:
        from websockets.frames import Frame as Piece, Opcode

        if not isinstance(event, Piece):
            return
        if event.opcode is Opcode.TEXT:
            raise Malformed("the daemon answered in text where binary frames were agreed")
        if event.opcode not in {Opcode.BINARY, Opcode.CONT}:
            return
        self._message.append(bytes(event.data))
        if not event.fin:
            return
        message, self._message = self._message, []
        frames += self._reader.read(message[0] if len(message) == 1 else b"".join(message))
        if not self._reader.is_between_frames:
            raise Malformed("a message ends inside a frame")


def _said_in(refusal: bytes) -> str:
    """Returns why a daemon refuses a connection; empty when it is no daemon's refusal."""
    try:
        found = msgspec.json.decode(refusal)
        said = found.get("error", found)["message"]
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, UnicodeDecodeError):
        return ""
    return str(said).removesuffix(". The connection is closed")


def _subprotocol(kind: str) -> "Subprotocol":
    from websockets.typing import Subprotocol

    return Subprotocol(f"{SUBPROTOCOL_BINARY}.{kind}" if kind else SUBPROTOCOL_BINARY)
