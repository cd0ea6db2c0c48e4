"""The verbs by which an asynchronous client has something done: send, call, tell, survey, stream."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from askrd.sdk.answers import (
    guard_of,
    outcome_in,
    progress_reader,
    row_in,
    ttl_ms_of,
    without_value,
)
from askrd.sdk.composition import head_bytes
from askrd.sdk.connection import Connection
from askrd.sdk.context import NOTHING_INHERITED, Inheritance, inherit
from askrd.sdk.conversation import Conversation
from askrd.sdk.courses import asked
from askrd.sdk.gathering import Gathering
from askrd.sdk.inquiry import Inquiry
from askrd.sdk.payloads import read_payload
from askrd.sdk.shape import said
from askrd.sdk.streams import Stream
from askrd.sdk.surveys import Survey
from askrd.sdk.values import Outcome, Row
from askrd.sdk.wishes import Exclude, Wait, call_options, survey_options
from askrd.wire.errors import PayloadTooLarge
from askrd.wire.frames import Frame


class Commanding:
    """What a client says to those who offer commands.

    Commands sent while one is answered inherit its remaining time, its correlation id and its
    depth, and are cancelled with it.
    """

    _connection: Connection
    _conversation: Conversation

    async def send(  # noqa: PLR0913  # all by name
        self,
        target: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        idempotency_key: str | None = None,
        wait: Wait = None,
        version: str | None = None,
        exclude: Exclude = None,
        ack: bool = False,
        upload: Any = None,
        as_: Any = None,
    ) -> Any:
        """Sends a command and returns its value.

        Cancelling it cancels the command, on the daemon and at its handler. A payload above the
        daemon's limit goes in pieces by itself, and so does a large value on its way back.

        Args:
            target: an address: ``fetch``, ``agent.fetch``, ``agent@k3Tz9a.fetch``, ``$askr.peers``.
            payload: any JSON value, bytes, or None; an object becomes keyword arguments.
            timeout: seconds it may take; None = the service's default, else 30. With an upload:
                seconds until the first item; after it the silence between two items is limited.
            headers: strings by name, carried to the handler.
            key: what the policy `hash` goes by: the same key meets the same instance.
            idempotency_key: the same command under the same key takes effect once; for ten
                minutes the outcome of the first one is returned again.
            wait: seconds to wait for somebody who offers the command, instead of failing at once;
                True = as long as the timeout.
            version: range of the service's version: ``^2``, ``~2.1``, ``2.1.3``.
            exclude: an instance id, or several, that are not to be asked.
            ack: return None as soon as the handler has accepted the command; it goes on by itself,
                and a later failure is the event ``$askr.command.failed``.
            upload: what the handler reads while it runs: a file opened ``"rb"``, bytes, an
                iterable or an asynchronous one. Bytes go in pieces of 64 KiB, anything else as
                items of JSON, as fast as the handler takes them.
            as_: a type to decode and check the value as.

        Returns:
            the value; of a command that its service declared for all instances, a list of the
            good ones.

        Raises:
            CommandError: the handler answered with an error.
            AskrError: the command failed otherwise; the code says how.
            TypeError: an argument has the wrong type; nothing was sent.
        """
        if (
            key is not None
            or idempotency_key is not None
            or version is not None
            or upload is not None
            or wait
            or exclude
            or ack
        ):
            outcome = await self._in_full(
                target, payload, timeout, headers, as_, key=key, idempotency_key=idempotency_key,
                wait=wait, version=version, exclude=exclude, ack=ack, upload=upload,
            )  # fmt: skip
            return outcome.value
        data, coding = said(payload)
        inherited = inherit(target, timeout, headers)
        if not self._connection.is_usable:
            await self._connection.ready(inherited.timeout)
        answer: asyncio.Future[Frame] = self._connection.new_answer()
        try:
            if inherited is NOTHING_INHERITED:
                id_ = self._conversation.call(target, data, coding, answer)
            else:
                id_ = self._ask(target, data, coding, answer, inherited)
        except PayloadTooLarge:
            id_ = 0
        if not id_:  # too large for one frame
            return (await self._in_full(target, payload, timeout, headers, as_)).value
        try:
            frame = await answer
        except asyncio.CancelledError:
            self._conversation.cancel(id_)
            raise
        return read_payload(frame, as_)

    async def call(  # noqa: PLR0913  # all by name
        self,
        target: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        idempotency_key: str | None = None,
        wait: Wait = None,
        version: str | None = None,
        exclude: Exclude = None,
        ack: bool = False,
        upload: Any = None,
        as_: Any = None,
        on_progress: Callable[[Any], None] | None = None,
        on_row: Callable[[Row], None] | None = None,
    ) -> Outcome:
        """Sends a command and returns its value with who gave it and how long it took.

        Arguments and errors are those of `send`. ``on_progress`` is called with each thing the
        handler says while it works, ``on_row`` with each `Row` of a command that its service
        declared for all instances; then the value is a list of the good ones, which may be empty.
        """
        return await self._in_full(
            target, payload, timeout, headers, as_, key=key, idempotency_key=idempotency_key,
            wait=wait, version=version, exclude=exclude, ack=ack, upload=upload,
            on_progress=on_progress, on_row=on_row,
        )  # fmt: skip

    async def tell(
        self,
        target: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        wait: Wait = None,
        version: str | None = None,
        exclude: Exclude = None,
    ) -> Outcome:
        """Sends a command of which nothing is wanted back, and returns when it was handed over.

        What becomes of it stays with its handler. The target may be several instances, as
        ``agent@*.reload``. The other arguments are those of `send`.

        Returns:
            who took it; the value is None.

        Raises:
            AskrError: nobody could be told; the code says why.
        """
        options = call_options(
            key=key, wait=wait, timeout=timeout, version=version, exclude=exclude
        )
        inquiry = Inquiry(
            target, payload, timeout=timeout, headers=headers, options=options, silent=True
        )
        return without_value(await self._outcome(inquiry, None))

    def survey(
        self,
        target: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        exclude: Exclude = None,
        quorum: int | None = None,
        first: bool = False,
        ack: bool = False,
        version: str | None = None,
        as_: Any = None,
    ) -> Survey:
        """Sends a command to every instance that the address fits; each one has its `Row`.

        ``await client.survey("agent.status")`` gives all rows as a list, ``async for`` takes them
        as they come. It ends when every instance has answered, failed or left, or at the deadline.

        Args:
            target: ``agent.status`` for all instances, ``agent@{zone=eu}.status`` for those with
                the tag, ``agent@id1,id2.status`` for these, ``*@*.status`` for every service.
            payload: as for `send`.
            timeout: seconds it may take; who has not answered by then has a failed row.
            headers: strings by name, carried to the handlers.
            exclude: an instance id, or several, that are not to be asked.
            quorum: end with so many good rows; the others are cancelled and have none.
            first: end with the first good row.
            ack: a row is good as soon as its handler has accepted the command.
            version: range of the service's version.
            as_: a type to decode and check each value as.

        Raises:
            BadRequest: the target is no address, or ``quorum`` is below 1.
        """
        options = survey_options(
            first=first, quorum=quorum, version=version, exclude=exclude, ack=ack
        )
        inquiry = Inquiry(target, payload, timeout=timeout, headers=headers, options=options)
        return Survey(self._connection, inquiry, as_)

    def stream(  # noqa: PLR0913  # all by name
        self,
        target: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        upload: Any = None,
        key: str | None = None,
        wait: Wait = None,
        version: str | None = None,
        exclude: Exclude = None,
        as_: Any = None,
        on_progress: Callable[[Any], None] | None = None,
    ) -> Stream:
        """Sends a command and returns an asynchronous iterator of the items it answers with.

        ``async with client.stream("agent.tail") as items`` asks at once, a bare ``async for`` with
        its first step. Leaving early cancels the command. `Stream.value` is what it said last.

        Args:
            target: as for `send`.
            payload: as for `send`.
            timeout: seconds until the first item; after it the silence between two is limited.
            headers: strings by name, carried to the handler.
            upload: as for `send`; items go both ways at the same time.
            key: as for `send`.
            wait: as for `send`.
            version: as for `send`.
            exclude: as for `send`.
            as_: a type to decode and check each item as.
            on_progress: called with each thing the handler says beside its items.

        Raises:
            BadRequest: the target is no address, or of several instances.
            TypeError: an argument has the wrong type.
        """
        options = call_options(
            reply="stream", key=key, wait=wait, timeout=timeout, version=version,
            exclude=exclude, upload=upload,
        )  # fmt: skip
        inquiry = Inquiry(
            target, payload, timeout=timeout, headers=headers, options=options, upload=upload
        )
        return Stream(self._connection, inquiry, as_, on_progress)

    # --- how --------------------------------------------------------------------------------

    async def _in_full(
        self,
        target: str,
        payload: Any,
        timeout: float | None,
        headers: Mapping[str, str] | None,
        as_: Any,
        *,
        ack: bool = False,
        upload: Any = None,
        on_progress: Callable[[Any], None] | None = None,
        on_row: Callable[[Row], None] | None = None,
        **wanted: Any,
    ) -> Outcome:
        options = call_options(reply="ack" if ack else "", timeout=timeout, upload=upload, **wanted)
        inquiry = Inquiry(
            target, payload, timeout=timeout, headers=headers, options=options, upload=upload
        )
        return await self._outcome(inquiry, None if ack else as_, on_progress, on_row)

    async def _outcome(
        self,
        inquiry: Inquiry,
        as_: Any,
        on_progress: Callable[[Any], None] | None = None,
        on_row: Callable[[Row], None] | None = None,
    ) -> Outcome:
        """Sends a command and waits for its outcome."""
        answer: asyncio.Future[Frame] = self._connection.new_answer()
        loop = self._connection.loop
        start = loop.time()
        gathering = None
        if on_row is not None:
            tell = on_row
            gathering = Gathering(
                answer, lambda row: tell(row_in(row, as_, (loop.time() - start) * 1000))
            )
        id_, uploading = await asked(
            self._connection, inquiry, gathering or answer, gathering, progress_reader(on_progress)
        )
        try:
            frame = await answer
        except asyncio.CancelledError:
            self._conversation.cancel(id_)
            raise
        finally:
            if uploading is not None:
                uploading.stop()
        return outcome_in(frame, as_, (loop.time() - start) * 1000)

    def _ask(
        self,
        target: str,
        data: bytes,
        coding: int,
        answer: asyncio.Future[Frame],
        inherited: Inheritance,
    ) -> int:
        """Sends a command that inherits but has no options, and returns its id."""
        timeout = inherited.timeout
        return self._conversation.call(
            target,
            data,
            coding,
            answer,
            ttl_ms=ttl_ms_of(timeout),
            head=head_bytes(inherited.headers),
            hops=inherited.hops,
            guard_at=guard_of(self._connection.loop.time(), timeout),
        )
