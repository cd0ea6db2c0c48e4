"""`askr state export` and `import`: entries as JSON Lines, for files and other workspaces."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec import UNSET, UnsetType

from askr_cli.commands.arguments import Prefix
from askr_cli.commands.frames import show
from askr_cli.exits import Usage
from askr_cli.terminal import Terminal
from askrd.sdk.values import Entry
from askrd.wire import strict_json
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.limits import PAYLOAD_BYTES_HARD_MAX
from askrd.wire.names import check_key, check_prefix, shown

if TYPE_CHECKING:
    from askrd.sdk.blocking_state import State

File = Annotated[
    str, typer.Argument(metavar="[FILE]", help="JSON Lines of export; - is standard input")
]
Below = Annotated[str, typer.Option("--prefix", metavar="PREFIX", help="write them below this key")]
WRITES_AT_ONCE = 32
"""Entries of an import that wait for their answers together; the daemon commits them as one."""


class Line(msgspec.Struct, omit_defaults=True):
    """One entry in a file.

    Attributes:
        key: where it lies. value: any JSON. b: bytes in base64, in place of a value.
        rev: its revision when it was read. ts: Unix milliseconds of its last change.
        ttl_ms: how long it still lived then; 0 = for ever.
    """

    key: str
    value: msgspec.Raw | UnsetType = UNSET
    b: str | None = None
    rev: int = 0
    ts: int = 0
    ttl_ms: int = 0


_LINE = msgspec.json.Decoder(Line)


def export(terminal: Terminal, prefix: Prefix = "") -> int:
    """Prints entries as JSON Lines; those of peers that are here now stay out."""
    check_prefix(prefix)
    if terminal.dry_run:
        return show(terminal, "get", key=prefix, prefix=True)
    left_out = written = 0
    for entry in terminal.client().state.entries(prefix):
        if entry.ephemeral or entry.key.startswith("$"):
            left_out += 1
            continue
        terminal.write(msgspec.json.encode(line_of(entry)).decode())
        written += 1
    beside = f"; those that go with their peers stay out: {left_out}" if left_out else ""
    terminal.note(f"{'1 entry' if written == 1 else f'{written} entries'}{beside}")
    return 0


def import_(terminal: Terminal, file: File = "-", *, prefix: Below = "") -> int:
    """Sets the entries that a file of JSON Lines says."""
    if prefix:
        check_key(prefix.rstrip("/"))
    written, rev = 0, 0
    with _lines(terminal, file) as lines, ThreadPoolExecutor(WRITES_AT_ONCE) as threads:
        state = terminal.client().state
        try:
            for batch in _batches(_read(lines, prefix)):
                answers = [threads.submit(_set, state, *each) for each in batch]
                wait(answers)
                good = [one.result() for one in answers if one.exception() is None]
                written += len(good)
                rev = max([rev, *good])
                for answer in answers:
                    answer.result()
        except AskrError as error:
            error.message = f"{error.message}. Of the file {_were_written(written)}"
            raise
        except KeyboardInterrupt:
            terminal.note(f"{_were_written(written)}, and maybe up to {WRITES_AT_ONCE} more")
            raise
    if terminal.json:
        terminal.print_json({"ok": True, "entries": written, "rev": rev})
    else:
        terminal.note(_were_written(written) + (f", rev {rev}" if rev else ""))
    return 0


def _were_written(count: int) -> str:
    return "1 entry was written" if count == 1 else f"{count} entries were written"


def line_of(entry: Entry) -> Line:
    """Returns an entry as it stands in a file."""
    is_bytes = isinstance(entry.value, bytes)
    return Line(
        key=entry.key,
        value=UNSET if is_bytes else msgspec.Raw(msgspec.json.encode(entry.value)),
        b=b64encode(entry.value).decode() if is_bytes else None,
        rev=entry.rev,
        ts=entry.ts_ms,
        ttl_ms=0 if entry.ttl is None else max(1, round(entry.ttl * 1000)),
    )


def read_line(text: bytes, prefix: str = "") -> tuple[str, msgspec.Raw | bytes, float | None]:
    """Reads one line of a file.

    Args:
        text: the line.
        prefix: a key below which the entry is to lie; empty = where the line says.

    Returns:
        key, value, and seconds it is to live, None = for ever.

    Raises:
        BadRequest: it is no entry.
    """
    strict_json.check(text)
    try:
        line = _LINE.decode(text)
    except msgspec.MsgspecError as exc:
        raise BadRequest(f"it is no entry: {exc}", at="client") from exc
    if (line.value is UNSET) == (line.b is None):
        raise BadRequest("an entry has a value, or b with bytes in base64", at="client")
    key = check_key(f"{prefix.rstrip('/')}/{line.key}" if prefix else line.key)
    return key, _value_of(line), line.ttl_ms / 1000 if line.ttl_ms else None


def _value_of(line: Line) -> msgspec.Raw | bytes:
    if not isinstance(line.value, UnsetType):
        return line.value
    try:
        return b64decode(line.b or "", validate=True)
    except ValueError as exc:
        raise BadRequest(f"b is not base64: {exc}", at="client") from exc


_Set = tuple[int, str, msgspec.Raw | bytes, float | None]
"""Number of the entry in its file, key, value, seconds to live."""


def _read(lines: Iterable[bytes], prefix: str) -> Iterator[_Set]:
    for number, text in enumerate(lines, start=1):
        with _numbered(number):
            yield (number, *read_line(text, prefix))


def _batches(entries: Iterable[_Set]) -> Iterator[list[_Set]]:
    """Yields entries that may be written at once: no key twice."""
    batch: dict[str, _Set] = {}
    for entry in entries:
        if entry[1] in batch:
            yield list(batch.values())
            batch = {}
        batch[entry[1]] = entry
        if len(batch) == WRITES_AT_ONCE:
            yield list(batch.values())
            batch = {}
    if batch:
        yield list(batch.values())


def _set(
    state: "State", number: int, key: str, value: msgspec.Raw | bytes, ttl: float | None
) -> int:
    with _numbered(number):
        return state.set(key, value, ttl=ttl).rev


@contextmanager
def _numbered(number: int) -> Iterator[None]:
    """Has errors say which entry of the file they are about."""
    try:
        yield
    except AskrError as error:
        error.message = f"entry {number}: {error.message}"
        raise


@contextmanager
def _lines(terminal: Terminal, file: str) -> Iterator[Iterable[bytes]]:
    if file == "-":
        if terminal.in_is_terminal:
            terminal.note("one entry a line; Ctrl-D ends")
        yield terminal.read_lines()
        return
    try:
        opened = Path(file).open("rb")  # noqa: SIM115  # closed below; only opening may fail here
    except OSError as exc:
        raise Usage(f"cannot read {shown(file)} ({exc.strerror or exc})") from exc
    with opened:
        lines = iter(partial(opened.readline, PAYLOAD_BYTES_HARD_MAX + 1), b"")
        yield (line for line in lines if line.strip())
