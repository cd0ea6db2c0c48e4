"""What an agent says to the person who started it: what it offers, where it is connected."""

import inspect
import os
import sys
from collections.abc import Iterable
from typing import TextIO

from askrd.sdk.client import Client
from askrd.sdk.errors import why_of
from askrd.sdk.service import Command, Service
from askrd.sdk.terms import ReplyMode
from askrd.wire.bodies import Welcome
from askrd.wire.errors import ConnectionLost

_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_DOC_CHARS_MAX = 60


class Announcer:
    """Writes short lines to standard error; in colour only on a terminal."""

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        """Speaks for the agent ``name``; by default to standard error."""
        self._name = name
        self._stream = sys.stderr if stream is None else stream
        is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = is_terminal and not os.environ.get("NO_COLOR")
        self._last = ""

    def say(self, sentence: str) -> None:
        """Writes one line, unless it is the same as the one before."""
        if sentence != self._last:
            self._last = sentence
            self._write(f"{self._name}: {_printable(sentence)}")

    def offer(self, services: Iterable[Service]) -> None:
        """Writes one line per command, event and pattern of the services."""
        rows: list[tuple[str, str]] = []
        for service in services:
            rows += [
                (_printable(f"{service.name}.{_signed(command)}"), _first(command.doc))
                for command in service.commands.values()
            ]
            said = service.provision()
            rows += [(f"emits {_event(spec)}", "") for spec in said.emits]
            rows += [(f"listens to {_event(spec)}", "") for spec in said.listens]
        width = max((len(left) for left, _ in rows), default=0)
        for left, right in rows:
            self._write(f"  {self._row(left, _clipped(_printable(right)), width)}")

    def follow(self, client: Client) -> None:
        """Says when the connection comes and goes, before anybody else is told."""
        connected, disconnected = client.on_connected, client.on_disconnected

        def come(welcome: Welcome) -> None:
            self.say(f"connected to {client.url} as {welcome.id}, workspace {welcome.workspace}")
            if connected is not None:
                connected(welcome)

        def go(error: ConnectionLost) -> None:
            self.say(f"lost askrd ({why_of(error)}); trying again")
            if disconnected is not None:
                disconnected(error)

        client.on_connected, client.on_disconnected = come, go

    def _row(self, left: str, right: str, width: int) -> str:
        if not right:
            return self._paint(_BOLD, left)
        return (
            f"{self._paint(_BOLD, left)}{' ' * (width - len(left) + 2)}{self._paint(_DIM, right)}"
        )

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colours else text

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


def _signed(command: Command) -> str:
    """Returns a command as ``name(parameters)``, and what it gives unless that is a value."""
    gives = "" if command.reply is ReplyMode.VALUE else f" -> {command.reply}"
    return f"{command.name}({_parameters(command)}){gives}"


def _parameters(command: Command) -> str:
    shown = []
    parameters = inspect.signature(command.function).parameters
    for name in command.signature.parameters:
        default = parameters[name].default
        shown.append(name if default is inspect.Parameter.empty else f"{name}={default!r}")
    if command.signature.takes_any_name:
        shown.append("...")
    if command.signature.upload_name:
        shown.append(f"{command.signature.upload_name}: upload")
    return ", ".join(shown)


def _first(doc: str) -> str:
    """Returns the first paragraph of a docstring as one line."""
    return " ".join(doc.partition("\n\n")[0].split())


def _event(spec: object) -> str:
    return str(getattr(spec, "event", spec))


def _clipped(text: str) -> str:
    return text if len(text) <= _DOC_CHARS_MAX else text[: _DOC_CHARS_MAX - 1] + "…"


def _printable(text: str) -> str:
    """Shows control characters instead of obeying them; some of the text is the daemon's."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
