"""One command as its caller wants it, checked and encoded, before it is sent."""

from collections.abc import Mapping
from typing import Any

import msgspec

from askrd.sdk import composition
from askrd.sdk.answers import ttl_ms_of
from askrd.sdk.shape import said
from askrd.sdk.sources import Source, pieces_of, source_of
from askrd.wire.bodies import CallOptions, dump
from askrd.wire.errors import BadRequest, PayloadTooLarge
from askrd.wire.frames import FLAG_SILENT, Frame, Kind
from askrd.wire.limits import GATHERED_BYTES_MAX, MIB, STREAM_ITEM_BYTES

NO_OPTIONS = CallOptions()


class Inquiry:
    """A command that wants more than an answer of one instance, or has more to say.

    Attributes:
        target: its address.
        timeout: seconds it may take; None = the service's default.
        headers: the caller's own headers.
        source: where the items of its upload come from; None = it has none.
    """

    __slots__ = (
        "_coding",
        "_data",
        "_flags",
        "_name",
        "_options",
        "headers",
        "source",
        "target",
        "timeout",
    )

    def __init__(
        self,
        target: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        options: CallOptions = NO_OPTIONS,
        upload: Any = None,
        silent: bool = False,
    ) -> None:
        """Checks and encodes.

        Args:
            target: an address; of several instances only when ``options.all`` or ``silent``.
            payload: any JSON value, bytes, or None.
            timeout: in seconds.
            headers: strings by name.
            options: what is wanted.
            upload: an iterable, an asynchronous one, or a file; None = none.
            silent: whether nothing is to be answered.

        Raises:
            BadRequest: the target is no address, or of several instances, or the daemon's own.
            SchemaInvalid: the payload cannot be said in JSON.
            TypeError: ``upload`` is none of these.
        """
        several = options.all or silent
        address = composition.any_address_bytes if several else composition.address_bytes
        self.target = target
        self.timeout = timeout
        self.headers = headers
        self._name = address(target)
        if target.startswith("$") and (options.all or options.reply == "stream"):
            raise BadRequest(f"{target} is answered by the daemon, with one value: use send()")
        self._data, self._coding = said(payload)
        self._options = options
        self._flags = FLAG_SILENT if silent else 0
        self.source: Source | None = None if upload is None else source_of(upload)
        ttl_ms_of(timeout)

    def say(self, payload: Any, headers: Mapping[str, str] | None) -> None:
        """Replaces what is said, as a middleware may.

        Raises:
            SchemaInvalid: the payload cannot be said in JSON.
        """
        self._data, self._coding = said(payload)
        self.headers = headers

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent again although it may have been carried out."""
        return bool(self._options.idempotency_key)

    def fit(self, payload_bytes_max: int) -> None:
        """Makes an upload of a payload that is too large for one frame.

        Args:
            payload_bytes_max: the daemon's limit; 0 = it has none.

        Raises:
            PayloadTooLarge: that is not possible; nothing was sent.
        """
        size = len(self._data)
        if not 0 < payload_bytes_max < size:
            return
        why = self._why_not_in_pieces(size)
        if why:
            raise PayloadTooLarge(
                f"the payload has {size} bytes; the daemon takes {payload_bytes_max} in one "
                f"frame, and {why}; nothing was sent",
                details={"bytes": size, "bytes_max": payload_bytes_max},
                at="client",
            )
        self._options = msgspec.structs.replace(self._options, upload="payload")
        self.source = Source(pieces_of(self._data, begin=STREAM_ITEM_BYTES))
        self._data = self._data[:STREAM_ITEM_BYTES]

    def frame(self, timeout: float | None, headers: Mapping[str, str] | None, hops: int) -> Frame:
        """Returns the `call`, with id 0.

        Args:
            timeout: what is left of it, in seconds.
            headers: the caller's, and those inherited.
            hops: depth of nested commands.
        """
        options = dump(self._options) if self._options != NO_OPTIONS else b""
        return Frame(
            kind=Kind.CALL,
            name=self._name,
            payload=self._data,
            coding=self._coding,
            ttl_ms=ttl_ms_of(timeout),
            head=composition.head_bytes(headers),
            hops=hops,
            options=options,
            flags=self._flags,
        )

    def _why_not_in_pieces(self, size: int) -> str:
        if self._flags & FLAG_SILENT:
            return "tell() sends no more than one: use send(), or send(ack=True)"
        if self._options.all:
            return "a survey sends no more than one: send() it to each instance"
        if self.source is not None:
            return "there is an upload already: put the large part into it"
        if size > GATHERED_BYTES_MAX:
            return f"{GATHERED_BYTES_MAX // MIB} MiB in pieces: give it as upload="
        return ""
