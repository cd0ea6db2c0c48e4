"""Sends an upload as fast as its receiver takes it, from a thread of its own."""

import threading
from functools import partial
from typing import Any, cast

from askrd.sdk.blocking import BlockingConnection
from askrd.sdk.flow import Sending
from askrd.sdk.sources import Blamed, Source, items_of
from askrd.wire.bodies import Credit


class Uploading:
    """One upload on its way, beside the thread that waits for the outcome.

    A source that blocks, as a terminal nobody types at, keeps neither that thread nor the process:
    when the command has ended the upload's thread sends no more, and ends with its next item.
    """

    __slots__ = ("_connection", "_sending", "_source")

    def __init__(self, connection: BlockingConnection, source: Source) -> None:
        """Prepares; nothing is taken from the source before `start`.

        Raises:
            TypeError: the source has to be awaited.
        """
        if source.is_async:
            raise TypeError(
                "upload= is an asynchronous iterable: the blocking client takes a plain one, a "
                "file or bytes; askrd.Client takes this one"
            )
        self._connection = connection
        self._source = source
        self._sending = Sending()

    def granted(self, credit: Credit) -> None:
        """Takes note that the receiver takes more; called under the connection's lock."""
        self._sending.grant(credit)

    def start(self, id_: int) -> None:
        """Begins to send; it ends by itself with the command."""
        thread = threading.Thread(target=self._run, args=(id_,), name="askr-upload", daemon=True)
        thread.start()

    def _run(self, id_: int) -> None:
        with Blamed(partial(self._break_off, id_)):
            for value in cast("Any", self._source.values):
                for payload, coding in items_of(value):
                    if not self._send(id_, payload, coding):
                        return
            with self._connection.quietly() as conversation:
                conversation.commands.finish(id_)

    def _break_off(self, id_: int, error: BaseException) -> None:
        connection = self._connection
        with connection.quietly() as conversation:
            conversation.commands.break_off(id_, error)
            connection.changed.notify_all()

    def _send(self, id_: int, payload: bytes, coding: int) -> bool:
        """Sends an item as soon as it may go; returns False when the command has ended."""
        connection, sending = self._connection, self._sending
        with connection.quietly() as conversation:
            commands = conversation.commands
            connection.changed.wait_for(
                lambda: not commands.is_open(id_) or (sending.may_send() and connection.is_usable)
            )
            if not commands.is_open(id_):
                return False
            commands.item(id_, payload, coding)
            sending.spend(len(payload))
        return True
