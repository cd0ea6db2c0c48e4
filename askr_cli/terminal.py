"""The terminal's side of one run: where it writes, what it was told, and its connection.

Data goes to standard output, narration to standard error. Everything that is written passes
`safe_text`, except payload bytes that were asked for with `--raw`.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from io import TextIOWrapper, UnsupportedOperation
from pathlib import Path
from select import select
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TextIO

import msgspec

from askr_cli.exits import Usage
from askr_cli.profile import Options, Profile, resolve
from askr_cli.safe_text import UNENCODABLE, escaped, escaped_lines
from askrd.wire.errors import AskrError, ErrorCode
from askrd.wire.limits import PAYLOAD_BYTES_HARD_MAX

if TYPE_CHECKING:
    from askrd.sync import Client

CONNECT_S = 5.0
CONNECT_LEAST_S = 1.0
"""How long an attempt to connect may take; `--timeout` chooses between the two."""
ANSWER_S = 10.0
"""How long the daemon may take to answer what it answers itself; `--timeout` says otherwise."""

Connect = Callable[[Profile, bool], "Client"]
"""Makes a connected client; the second argument says whether it reconnects by itself."""


def connect(
    profile: Profile,
    reconnect: bool,  # noqa: FBT001  # the shape of `Connect`
    narrate: Callable[[str], None] | None = None,
    *,
    name: str = "askr",
    patience_s: float | None = None,
) -> "Client":
    """Returns a client that is connected to the daemon of ``profile``.

    Args:
        profile: where, and which workspace.
        reconnect: whether it comes back by itself after a lost connection.
        narrate: told when the connection was lost and when it came back.
        name: what other peers see, a word: the verb.
        patience_s: how long an attempt may take; None = the profile's timeout, 1 to 5 seconds.

    Raises:
        CannotConnect: nobody answers there.
        AskrError: the daemon refused.
    """
    from askrd.sync import Client

    tell = narrate if narrate is not None and reconnect else lambda _: None
    is_first = True

    def came(_welcome: object) -> None:
        nonlocal is_first
        if not is_first:
            tell(f"connected again to {client.url}")
        is_first = False

    if patience_s is None:
        asked_s = CONNECT_S if profile.timeout_ms is None else profile.timeout_ms / 1000
        patience_s = min(max(asked_s, CONNECT_LEAST_S), CONNECT_S)
    client = Client(
        profile.url,
        workspace=profile.workspace,
        name=name,
        kind="terminal",
        reconnect=reconnect,
        connect_timeout=patience_s,
        # Of a verb that stays, --timeout says how long, not how soon the daemon has to answer.
        answer_timeout=ANSWER_S
        if reconnect or not profile.timeout_ms
        else profile.timeout_ms / 1000,
        on_connected=came,
        on_disconnected=lambda error: tell(f"lost the daemon ({reason_of(error)}); coming back"),
    )
    try:
        client.connect()
    except BaseException:
        client.close()
        raise
    return client


def reason_of(error: AskrError) -> str:
    """Returns why a connection ended, without a word on requests: there may have been none."""
    return str(error).partition(";")[0].removeprefix("the daemon is ")


class Terminal:
    """Streams, settings and the connection of one run.

    Attributes:
        out: where data goes.
        err: where narration goes.
        options: what the command line says.
        environ: the process's environment.
        cwd: the directory the run works in.
        verb: what is being carried out; other peers see it as this one's name.
        says_cancelled: whether a stop is told in one word, because another line follows.
        awaiting: what a stop would cancel (`'slow'`), empty when nothing is under way.
        next_steps: command lines that help after an error of a code.
    """

    def __init__(
        self,
        *,
        out: TextIO,
        err: TextIO,
        source: BinaryIO,
        environ: Mapping[str, str],
        cwd: Path,
        options: Options | None = None,
        connect: Connect | None = None,
        shared: bool = False,
    ) -> None:
        self.out = out
        self.err = err
        self.environ = environ
        self.cwd = cwd
        self.options = options or Options()
        self._source = source
        self._connect = connect
        self._shared = shared
        self.verb = "askr"
        self.says_cancelled = False
        self.awaiting = ""
        self.next_steps: dict[ErrorCode, str] = {}
        self._client: Client | None = None
        self._profile: Profile | None = None

    @classmethod
    def of_process(cls) -> Self:
        """Returns the terminal of this process."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors=UNENCODABLE)
        return cls(
            out=sys.stdout,
            err=sys.stderr,
            source=sys.stdin.buffer,
            environ=os.environ,
            cwd=_cwd(),
        )

    # --- settings ---------------------------------------------------------------------------

    @property
    def json(self) -> bool:
        """Whether output is for programs."""
        return self.options.json

    @property
    def quiet(self) -> bool:
        """Whether narration is hushed."""
        return self.options.quiet

    @property
    def verbose(self) -> bool:
        """Whether there is more narration."""
        return self.options.verbose

    @property
    def dry_run(self) -> bool:
        """Whether frames are shown and not sent."""
        return self.options.dry_run

    @property
    def profile(self) -> Profile:
        """Which daemon, workspace and timeout to use.

        Raises:
            Usage: a setting is wrong.
        """
        if self._profile is None:
            self._profile = resolve(self.options, self.environ, self.cwd)
        return self._profile

    @property
    def timeout_s(self) -> float | None:
        """How long a request may take, in seconds; None = as the service says."""
        timeout_ms = self.profile.timeout_ms
        return None if timeout_ms is None else timeout_ms / 1000

    @property
    def out_is_terminal(self) -> bool:
        """Whether a person looks at standard output."""
        return self.out.isatty()

    @property
    def colour(self) -> bool:
        """Whether standard output may be coloured."""
        plain = self.options.no_color or self.json or bool(self.environ.get("NO_COLOR"))
        return self.out_is_terminal and not plain and self.environ.get("TERM") != "dumb"

    def with_options(self, options: Options, *, connect: Connect | None = None) -> "Terminal":
        """Returns a terminal for one line, with ``options`` over this one's.

        It uses this one's shared connection unless the line names another daemon or workspace.

        Args:
            options: what the line says.
            connect: how to connect instead.
        """
        merged = options.over(self.options)
        elsewhere = (merged.url, merged.workspace) != (self.options.url, self.options.workspace)
        terminal = Terminal(
            out=self.out,
            err=self.err,
            source=self._source,
            environ=self.environ,
            cwd=self.cwd,
            options=merged,
            connect=connect or (None if elsewhere and self._shared else self._connect),
            shared=self._shared and not elsewhere and connect is None,
        )
        terminal.verb = self.verb
        terminal.says_cancelled = self.says_cancelled
        return terminal

    # --- the connection ---------------------------------------------------------------------

    def client(self, *, reconnect: bool = False) -> "Client":
        """Returns the connected client of this run; the first call connects.

        Args:
            reconnect: whether it comes back by itself after a lost connection.

        Raises:
            CannotConnect: nobody answers there.
        """
        if self._client is None:
            if self._connect is None:
                name = self.verb.strip("_").replace(" ", "-")
                self._client = connect(self.profile, reconnect, self.note, name=name)
            else:
                self._client = self._connect(self.profile, reconnect)
            if self.verbose:
                self.note(f"connected to {self._client.url}")
        return self._client

    @property
    def shares_connection(self) -> bool:
        """Whether its connection lives on when this run ends."""
        return self._shared

    @property
    def connected(self) -> "Client | None":
        """The client, when there is one."""
        return self._client

    def close(self) -> None:
        """Closes the connection of this run, unless it is shared."""
        client, self._client = self._client, None
        if client is not None and not self._shared:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- input and output -------------------------------------------------------------------

    def read_stdin(self, bytes_max: int = PAYLOAD_BYTES_HARD_MAX) -> bytes:
        """Returns all of standard input, up to ``bytes_max`` and a byte more."""
        return self._source.read(bytes_max + 1)

    def read_piece(self, bytes_max: int) -> bytes:
        """Returns the next bytes of standard input as soon as there are some; none at its end.

        It goes past the buffer of the stream, whose lock a thread would hold when the run ends.
        """
        try:
            descriptor = self._source.fileno()
        except UnsupportedOperation:
            return self._source.read(bytes_max)
        piece = os.read(descriptor, bytes_max)
        while piece and len(piece) < bytes_max and select([descriptor], [], [], 0)[0]:
            more = os.read(descriptor, bytes_max - len(piece))
            if not more:
                break
            piece += more
        return piece

    @property
    def in_is_terminal(self) -> bool:
        """Whether standard input is a keyboard."""
        return self._source.isatty()

    def read_lines(self) -> Iterator[bytes]:
        """Yields the lines of standard input that are not blank, as they come."""
        while line := self._source.readline(PAYLOAD_BYTES_HARD_MAX + 1):
            if line.strip():
                yield line

    def write(self, text: str) -> None:
        """Writes one line of data, made safe, and flushes it."""
        self.write_safe(escaped_lines(text))

    def write_safe(self, text: str) -> None:
        """Writes one line of data that is safe already: its colours are our own."""
        self.out.write(text + "\n")
        self.out.flush()

    def write_bytes(self, data: bytes) -> None:
        """Writes payload bytes as they are.

        Raises:
            Usage: standard output is a terminal.
        """
        self.refuse_raw_on_terminal()
        self.out.flush()
        binary: BinaryIO = self.out.buffer
        binary.write(data)
        binary.flush()

    def refuse_raw_on_terminal(self) -> None:
        """Returns when raw bytes may be written.

        Raises:
            Usage: standard output is a terminal.
        """
        if self.out_is_terminal:
            raise Usage(
                "--raw writes payload bytes as they are, which is not for a terminal: "
                "write them to a file or a pipe, or leave --raw out"
            )

    def print_json(self, value: Any) -> None:
        """Writes one JSON value on one line."""
        self.write(msgspec.json.encode(value).decode())

    def note(self, text: str) -> None:
        """Says something to the person, on standard error, unless hushed."""
        if not self.quiet:
            self.err.write(f"{escaped(text)}\n")
            self.err.flush()

    def note_cancelled(self) -> None:
        """Says that a command was cancelled, in place of the ^C that a terminal shows."""
        if not self.quiet:
            self.err.write("\rcancelled\n" if self.err.isatty() else "cancelled\n")
            self.err.flush()

    def say(self, text: str) -> None:
        """Says what went wrong, on standard error, one line made safe, quiet or not."""
        self.err.write(f"askr: {escaped(text)}\n")
        self.err.flush()


def _cwd() -> Path:
    """The working directory; the root when somebody has removed it."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        os.chdir("/")
        return Path("/")
