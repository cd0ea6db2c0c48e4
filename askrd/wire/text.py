"""Text frames: one JSON object a line, for people, browsers and shell scripts.

The core speaks binary frames only; these two functions translate at a text door. Envelope fields
become header fields, ``d`` is pasted as it came, ``b`` carries bytes in base64, and kinds without
an opaque payload keep their members in the frame itself. What a call asks for beside an answer
(`CallOptions`) stands in the frame too.
"""

from base64 import b64decode, b64encode
from typing import Any

import msgspec
from msgspec import UNSET

from askrd.wire import strict_json
from askrd.wire.bodies import Body, CallOptions, Hello, dump, load
from askrd.wire.codec import encode
from askrd.wire.envelope import ASKED, ENVELOPE, NAMED, Envelope
from askrd.wire.errors import BadRequest, UnknownKind
from askrd.wire.frames import (
    FLAG_MORE,
    FLAG_SEALED,
    FLAG_SILENT,
    FLAG_UP,
    STAMP_TIME,
    Coding,
    Frame,
    Kind,
)
from askrd.wire.limits import HOPS_MAX, ID_MAX, KEY_BYTES_MAX, SECTION_BYTES_MAX, TTL_MS_MAX
from askrd.wire.names import nearest, shown
from askrd.wire.vocabulary import (
    BODY_OF,
    ENVELOPE_FIELDS,
    FLAG_FIELD,
    GRAVE_FIELDS,
    NAME_FIELD,
    NOT_TOLD,
    OPTIONS_OF,
    RELAYED_BODIES,
    SHORT,
    SPOKEN_BY_PEERS,
    WITH_MORE,
    WITH_PAYLOAD,
    WITH_UP,
)

_KINDS = {kind.name.lower(): kind for kind in Kind}


_NOTHING_ASKED = CallOptions()
_HEADERS = msgspec.json.Decoder(dict[str, str])
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ON_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode_text(line: bytes) -> bytes:
    """Returns the binary frame that a peer's text frame stands for.

    Args:
        line: one JSON object, without its newline.

    Raises:
        BadRequest: not strict JSON, or a field is missing or out of range; ``details.id`` names
            the frame when it had an id.
        UnknownKind: ``k`` is no kind a peer may send; ``details.id`` likewise.
    """
    strict_json.check(line)
    try:
        return encode(_frame_of(ENVELOPE.decode(line), line))
    except msgspec.MsgspecError as exc:
        raise BadRequest(f"not a text frame: {exc}", details=_named(line)) from exc
    except (BadRequest, UnknownKind) as exc:
        exc.details.update(_named(line))
        raise


def _named(line: bytes) -> dict[str, int]:
    """What names the frame in an error: its id, when it has one."""
    try:
        id_ = NAMED.decode(line).id
    except msgspec.MsgspecError:
        return {}
    return {"id": id_} if 0 < id_ <= ID_MAX else {}


def _frame_of(text: Envelope, line: bytes) -> Frame:
    kind = _kind_of(text)
    if not 0 <= text.id <= ID_MAX:
        raise BadRequest("id is an integer 1 to 2^53-1")
    ttl_ms = 0 if text.ttl is UNSET else text.ttl
    if not 0 <= ttl_ms <= TTL_MS_MAX:
        raise BadRequest(f"ttl is milliseconds, 0 to {TTL_MS_MAX}")
    if not 0 <= text.hops < 2**8:
        raise BadRequest(f"hops is 0 to {HOPS_MAX}")
    body = BODY_OF.get(kind)
    if body is None:
        _refuse_misplaced(kind, text)
    if body is not None:
        payload, coding = _body_of(body, line, text.k), Coding.JSON
    elif kind in WITH_PAYLOAD:
        payload, coding = _payload_of(text)
    else:
        payload, coding = b"", Coding.NONE
    flags = _flags_of(kind, text)
    if kind is Kind.CALL:
        options, silent = _asked_of(line)
        flags |= silent
    else:
        options = _options_of(kind, text)
    return Frame(
        kind=kind,
        id=text.id,
        name=_name_of(kind, text),
        payload=payload,
        coding=coding,
        flags=flags | FLAG_SEALED if text.c and coding == Coding.BYTES else flags,
        ttl_ms=ttl_ms if kind is Kind.CALL or text.collect is True else 0,
        hops=text.hops,
        head=_head_of(text),
        options=options,
    )


def _refuse_misplaced(kind: Kind, text: Envelope) -> None:
    """Raises for what would change a request's meaning and has none there.

    Raises:
        BadRequest: such a field is there.
    """
    known = OPTIONS_OF.get(kind, {})
    for name in GRAVE_FIELDS:
        if name not in known and getattr(text, name) is not UNSET:
            raise BadRequest(f"{name} means nothing in a {text.k} frame; leave it out")


def _kind_of(text: Envelope) -> Kind:
    kind = _KINDS.get(text.k)
    if kind is None or kind not in SPOKEN_BY_PEERS:
        close = nearest(text.k, (known.name.lower() for known in SPOKEN_BY_PEERS))
        hint = f" Did you mean: {', '.join(close)}?" if close else ""
        raise UnknownKind(f"{shown(text.k)} is no kind a peer sends.{hint}")
    return kind


def _name_of(kind: Kind, text: Envelope) -> bytes:
    field = NAME_FIELD.get(kind)
    if field is None:
        return b""
    name = getattr(text, field)
    if not isinstance(name, str):
        raise BadRequest(f"{field} is a string in a {text.k} frame")
    everything = kind is Kind.WATCH or (kind is Kind.GET and text.prefix is True)
    if not name and not everything:
        raise BadRequest(f"a {text.k} frame needs {field}")
    encoded = name.encode()
    if len(encoded) > KEY_BYTES_MAX:
        raise BadRequest(f"{field} has at most {KEY_BYTES_MAX} bytes, not {len(encoded)}")
    return encoded


def _payload_of(text: Envelope) -> tuple[bytes, Coding]:
    if text.c not in {"", "sealed"} or (text.c and text.b is None):
        raise BadRequest('c is "sealed", beside b (base64 bytes), or absent')
    if text.b is not None:
        if text.d:
            raise BadRequest("a frame has d (JSON) or b (base64 bytes), not both")
        try:
            return b64decode(text.b, validate=True), Coding.BYTES
        except ValueError as exc:
            raise BadRequest(f"b is not base64: {exc}") from exc
    if not text.d:
        return b"", Coding.NONE
    return bytes(text.d), Coding.JSON


def _head_of(text: Envelope) -> bytes:
    if not text.headers:
        return b""
    head = dump(text.headers)
    if len(head) > SECTION_BYTES_MAX:
        raise BadRequest(f"headers take at most {SECTION_BYTES_MAX} bytes, not {len(head)}")
    return head


def _body_of(kind: type[Body], line: bytes, what: str) -> bytes:
    body = load(kind, line, what)
    if isinstance(body, Hello):
        # Resuming counts the bytes of binary frames, and a text peer sees none.
        body.resumable, body.received, body.link = False, -1, False
    return dump(body)


def _flags_of(kind: Kind, text: Envelope) -> int:
    more = FLAG_MORE if text.more and kind in WITH_MORE else 0
    return more | (FLAG_UP if text.up and kind in WITH_UP else 0)


def _asked_of(line: bytes) -> tuple[bytes, int]:
    """OPTIONS of a call, and its flag."""
    asked = ASKED.decode(line)
    if not 0 <= asked.wait <= TTL_MS_MAX:
        raise BadRequest(f"wait is milliseconds, 0 to {TTL_MS_MAX}")
    wanted = CallOptions(
        reply=asked.reply,
        upload=asked.upload,
        all=asked.all,
        first=asked.first,
        quorum=asked.quorum,
        exclude=asked.exclude,
        key=asked.key,
        idempotency_key=asked.idempotency_key,
        version=asked.version,
        wait_ms=asked.wait,
    )
    options = dump(wanted) if wanted != _NOTHING_ASKED else b""
    if len(options) > SECTION_BYTES_MAX:
        raise BadRequest(
            f"what a call asks for beside its payload takes at most {SECTION_BYTES_MAX} bytes, "
            f"not {len(options)}"
        )
    return options, FLAG_SILENT if asked.silent else 0


def _options_of(kind: Kind, text: Envelope) -> bytes:
    given = {}
    for field, name in OPTIONS_OF.get(kind, {}).items():
        value = getattr(text, field)
        if value is not UNSET and value is not None and value != "":
            given[name] = value
    if isinstance(given.get("prefix"), str):
        raise BadRequest(f"prefix is true or false in a {text.k} frame")
    options = dump(given) if given else b""
    if len(options) > SECTION_BYTES_MAX:
        raise BadRequest(f"the options of {text.k} take at most {SECTION_BYTES_MAX} bytes")
    return options


def encode_text(frame: Frame, *, sub: int = 0) -> bytes:
    """Returns the text frame for a frame of the daemon's, without a newline.

    What peers wrote is not trusted: it cannot stand in for a field of the frame, and what is not
    JSON travels as bytes. So every frame of a known kind has a text.

    Args:
        frame: a decoded frame of a known kind.
        sub: for an event, the receiver's subscription that it answers; 0 = none known.

    Raises:
        ValueError: the kind is not known (a mistake of the caller).
    """
    kind = Kind(frame.kind)
    if kind is Kind.EVENT:
        return _event(frame, sub)
    head: dict[str, Any] = {"k": kind.name.lower()}
    if frame.id and kind is not Kind.CHANGE:
        head["id"] = frame.id
    field = NAME_FIELD.get(kind)
    if field is not None and frame.name:
        head[field] = frame.name.decode("utf-8", "replace")
    body = None if kind in WITH_PAYLOAD else _object(frame.payload)
    if kind in NOT_TOLD:
        body = {}
    elif body is not None and kind in RELAYED_BODIES:
        body = {name: value for name, value in body.items() if name not in ENVELOPE_FIELDS}
    inner = _told(frame.options) | (body or {})
    pasted = _pasted(frame) if body is None else b""
    return b"{" + _members(head, inner, pasted, _envelope(frame)) + b"}"


def _event(frame: Frame, sub: int) -> bytes:
    """The text of an event; what is for one subscription says which."""
    if not frame.options:
        return b'{"k":"event","sub":%d,%b' % (sub, event_tail(frame))
    told = {"k": "event", "sub": sub} | _told(frame.options)
    return b"{%b,%b" % (dump(told)[1:-1], event_tail(frame))


def _told(options: bytes) -> dict[str, Any]:
    """The members that a frame's OPTIONS are in text."""
    members = _object(options) or {}
    return {SHORT.get(name, name): value for name, value in members.items()}


def event_tail(frame: Frame) -> bytes:
    """Returns an event's text frame from ``"event":`` on: the part all listeners share."""
    head = {"event": frame.name.decode("utf-8", "replace")}
    return _members(head, {}, _pasted(frame), _envelope(frame)) + b"}"


def _members(
    head: dict[str, Any], inner: dict[str, Any], pasted: bytes, envelope: dict[str, Any]
) -> bytes:
    """Joins what a text frame says; where ``inner`` repeats a field of the frame, it yields."""
    own = {name: value for name, value in inner.items() if name not in head | envelope}
    pieces = (dump(head | own)[1:-1], pasted, dump(envelope)[1:-1])
    return b",".join(piece for piece in pieces if piece)


def _pasted(frame: Frame) -> bytes:
    """The payload as a member, or nothing."""
    if frame.coding == Coding.NONE and not frame.payload:
        return b""
    if frame.coding == Coding.JSON and not frame.flags & FLAG_SEALED:
        payload = frame.payload or b"null"
        try:
            msgspec.json.decode(payload)
        except _NOT_JSON:
            pass  # A binary peer called it JSON and it is not: it travels as the bytes it is.
        else:
            return b'"d":' + payload.translate(_ON_ONE_LINE)
    sealed = b',"c":"sealed"' if frame.flags & FLAG_SEALED else b""
    return b'"b":"' + b64encode(frame.payload) + b'"' + sealed


def _object(text: bytes) -> dict[str, Any] | None:
    """The JSON object that ``text`` is, or None when it is something else."""
    try:
        return _OBJECT.decode(text)
    except _NOT_JSON:
        return None


def _envelope(frame: Frame) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if frame.ttl_ms:
        members["ttl"] = frame.ttl_ms
    if frame.hops:
        members["hops"] = frame.hops
    if frame.head:
        members |= _headers(frame.head)
    if frame.stamp:
        members |= _from(frame)
    if frame.kind == Kind.EVENT:
        members["seq"] = frame.id
    if frame.flags:
        members |= {field: True for flag, field in FLAG_FIELD.items() if frame.flags & flag}
    return members


def _headers(head: bytes) -> dict[str, Any]:
    """The peers' own headers; what is not an object of strings is not shown."""
    try:
        return {"headers": _HEADERS.decode(head)}
    except _NOT_JSON:
        return {}


def _from(frame: Frame) -> dict[str, Any]:
    stamp, time = frame.stamp, {}
    if frame.kind == Kind.EVENT and len(stamp) >= STAMP_TIME.size:
        (micros,) = STAMP_TIME.unpack_from(stamp)
        time = {"ts": micros // 1000}
        stamp = stamp[STAMP_TIME.size :]
    service, _, instance = stamp.decode("utf-8", "replace").partition("@")
    return {"from": {"service": service, "instance": instance}} | time
