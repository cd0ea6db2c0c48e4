"""Carries out one line of `askr send`: asks in the way that is wanted and shows what comes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from askr_cli.commands.frames import show_call
from askr_cli.commands.reader_watch import ReaderWatch
from askr_cli.commands.send_options import SendOptions, Way
from askr_cli.commands.send_output import show_items, show_value
from askr_cli.commands.survey_rows import UnaskedRows, show_survey
from askr_cli.commands.upload_pieces import STDIN, UploadPieces
from askr_cli.durations import duration_text
from askr_cli.exits import Exit
from askr_cli.item_types import item_hint
from askr_cli.payload import Payload
from askr_cli.render import json_text, peer_text
from askr_cli.terminal import Terminal
from askrd.sdk.values import Outcome
from askrd.wire.errors import ErrorCode, SchemaInvalid
from askrd.wire.names import shown

if TYPE_CHECKING:
    from askr_cli.commands.trace import Trace
    from askrd.sync import Client


class Sending:
    """Sends payloads to one target, each as a command of its own."""

    def __init__(
        self,
        terminal: Terminal,
        target: str,
        options: SendOptions,
        *,
        headers: Mapping[str, str],
        words: Sequence[str],
        is_traced: bool,
    ) -> None:
        """Prepares; nothing is sent before `run`.

        Args:
            terminal: where to show what comes.
            target: the address as it was typed.
            options: what is wanted beyond an answer; they are checked.
            headers: for the service.
            words: the payload as it was typed; empty when it comes from elsewhere.
            is_traced: whether a trace id is sent, and times are told.
        """
        self._terminal = terminal
        self._target = target
        self._options = options
        self._headers = headers
        self._words = words
        self._is_traced = is_traced
        self._trace: Trace | None = None
        self._pieces: UploadPieces | None = None

    def run(self, payload: Payload) -> int:
        """Sends one command and shows what it answers with; returns the exit code.

        Raises:
            AskrError: it failed.
            Usage: the file to upload cannot be read.
        """
        terminal, options = self._terminal, self._options
        if terminal.dry_run:
            members = options.frame_members()
            return show_call(terminal, self._target, payload, self._headers, **members)
        arguments = self._arguments()
        terminal.next_steps = {ErrorCode.SCHEMA_INVALID: f"askr describe {self._target}"}
        client = terminal.client()
        if self._trace is not None:
            self._trace.begin(shown(self._target), client.url)
        terminal.awaiting = shown(self._target)
        with self._hinted():
            code = self._way()(client, payload, arguments)
        terminal.awaiting = ""
        return code

    def _arguments(self) -> dict[str, Any]:
        """What the client's methods for a command take, apart from target and payload."""
        terminal, options = self._terminal, self._options
        headers = self._headers
        if self._is_traced:
            from askr_cli.commands.trace import Trace

            self._trace = Trace(terminal, headers)
            headers = self._trace.headers
        arguments = options.arguments()
        if options.upload == STDIN and terminal.in_is_terminal:
            terminal.note("uploading what you type; Ctrl-D ends it")
        if options.upload is not None:
            arguments["upload"] = self._pieces = UploadPieces(terminal, options.upload)
        return {"timeout": terminal.timeout_s, "headers": headers or None, **arguments}

    def _way(self) -> "Callable[[Client, Payload, dict[str, Any]], int]":
        return {
            Way.VALUE: self._ask,
            Way.ACK: self._ask_ack,
            Way.TELL: self._tell,
            Way.STREAM: self._stream,
            Way.SURVEY: self._survey,
        }[self._options.way(self._target)]

    # --- the ways to ask --------------------------------------------------------------------

    def _ask(self, client: "Client", payload: Payload, arguments: dict[str, Any]) -> int:
        with UnaskedRows(self._terminal) as rows:
            outcome = client.call(
                self._target, payload, on_row=rows.show, on_progress=self._progress, **arguments
            )
            if rows.came:
                return rows.end()
        self._answered(outcome)
        show_value(self._terminal, self._target, outcome, raw=self._options.raw)
        return Exit.DONE

    def _ask_ack(self, client: "Client", payload: Payload, arguments: dict[str, Any]) -> int:
        outcome = client.call(self._target, payload, ack=True, **arguments)
        self._answered(outcome, "accepted it")
        if self._terminal.json:
            show_value(self._terminal, self._target, outcome)
        return Exit.DONE

    def _tell(self, client: "Client", payload: Payload, arguments: dict[str, Any]) -> int:
        outcome = client.tell(self._target, payload, **arguments)
        self._answered(outcome, "was told")
        if self._terminal.json:
            show_value(self._terminal, self._target, outcome)
        return Exit.DONE

    def _stream(self, client: "Client", payload: Payload, arguments: dict[str, Any]) -> int:
        raw = self._options.raw
        arguments["on_progress"] = self._progress
        with (
            client.stream(self._target, payload, **arguments) as items,
            ReaderWatch(self._terminal.out, items.close) as reader,
        ):
            count = show_items(self._terminal, items, raw=raw)
        outcome = items.outcome
        if outcome is None:
            assert reader.is_gone  # nothing else ends a stream without an outcome or an error
            raise BrokenPipeError
        self._answered(outcome, f"ended after {count} items")
        if outcome.value is not None or self._terminal.json:
            show_value(self._terminal, self._target, outcome, raw=raw)
        return Exit.DONE

    def _survey(self, client: "Client", payload: Payload, arguments: dict[str, Any]) -> int:
        options = self._options
        arguments |= {"first": options.first, "quorum": options.quorum or None, "ack": options.ack}
        with client.survey(self._target, payload, **arguments) as survey:
            code = show_survey(self._terminal, survey, wanted=options.good_rows_wanted)
        if self._trace is not None:
            self._trace.tell("the survey ended")
        return code

    # --- what is said beside it -------------------------------------------------------------

    def _progress(self, said: Any) -> None:
        """Says what a handler says while it works; the client's own thread calls it."""
        with suppress(OSError):
            self._terminal.note(said if isinstance(said, str) else json_text(said))

    def _answered(self, outcome: Outcome, how: str = "answered") -> None:
        """Says who answered and when, for those who want to know."""
        terminal = self._terminal
        who = peer_text(outcome.service, outcome.instance)
        how += " with an outcome kept under its key" if outcome.kept else ""
        if self._pieces is not None:
            how += f" ({self._pieces.sent_bytes} bytes uploaded)"
        if self._trace is not None:
            self._trace.tell(f"{who} {how}")
        elif terminal.verbose:
            terminal.note(f"{who} {how} in {duration_text(outcome.ms)}")

    @contextmanager
    def _hinted(self) -> Iterator[None]:
        """Adds to the refusal of an item how it is written."""
        try:
            yield
        except SchemaInvalid as error:
            hint = item_hint(self._words, error.details) if error.at == "request" else ""
            error.message += f". {hint}" if hint else ""
            raise
