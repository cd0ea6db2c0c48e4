"""The daemon's log on stderr: the event first, then its fields, one line each, never forged.

Under systemd the lines carry the priority `<N>` and no time, which the journal has itself.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO, cast

ROOT = "askrd"
VALUE_CHARS_MAX = 1_000

Field = str | int | float | bool | None
Form = Literal["text", "json", "journal"]

_BARE = re.compile(r"[A-Za-z0-9_.:/@+,*$%#~\[\]{}()-]+")
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
_CRITICAL_PRIORITY = 2
_RESERVED = frozenset({"ts", "level", "event"})
_TRACE_INDENT = "    | "


class Log:
    """Writes entries of one part of the daemon: an event in words, then fields by name.

    Args:
        name: the part, which debug output and tests can tell apart.
    """

    def __init__(self, name: str = ROOT) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, /, **fields: Field) -> None:
        """Writes what only somebody who hunts a fault wants to read."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: Field) -> None:
        """Writes a step in the life of the daemon or of a session."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: Field) -> None:
        """Writes what somebody should look at; the daemon goes on."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, *, cause: BaseException | None = None, **fields: Field) -> None:
        """Writes what failed; ``cause`` adds its traceback."""
        self._write(logging.ERROR, event, fields, cause)

    def _write(
        self,
        level: int,
        event: str,
        fields: Mapping[str, Field],
        cause: BaseException | None = None,
    ) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, exc_info=cause, extra={"fields": fields})


def start_log(
    form: Literal["auto", "text", "json"],
    level: Literal["debug", "info", "warning", "error"],
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Sends all entries of this process to ``stream``; a second call replaces the first.

    Args:
        form: `auto` is the journal's form when ``stream`` leads there, else text.
        level: least severe entry that is written; other libraries need at least `warning`.
        stream: stderr when None.
        environ: where `JOURNAL_STREAM` may stand; the process's own when None.
    """
    out = sys.stderr if stream is None else stream
    chosen: Form = form if form != "auto" else "text"
    if form == "auto" and leads_to_journal(out, os.environ if environ is None else environ):
        chosen = "journal"
    handler = _Writer(out)
    handler.setFormatter(
        _JsonLines() if chosen == "json" else _TextLines(journal=chosen == "journal")
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Writer)]:
        root.removeHandler(old)
    root.addHandler(handler)
    own = cast("int", getattr(logging, level.upper()))
    root.setLevel(max(own, logging.WARNING))
    logging.getLogger(ROOT).setLevel(own)


def leads_to_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Says whether systemd's journal reads ``stream``: `JOURNAL_STREAM` names its file."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def escaped(text: str) -> str:
    """Returns ``text`` on one line: what cannot be printed becomes an escape, the long is cut."""
    clipped = text if len(text) <= VALUE_CHARS_MAX else text[:VALUE_CHARS_MAX] + "…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in clipped)


def _value(value: Field) -> str:
    if isinstance(value, str):
        if _BARE.fullmatch(value) and len(value) <= VALUE_CHARS_MAX:
            return value
        return '"' + escaped(value.replace("\\", "\\\\").replace('"', '\\"')) + '"'
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def _fields(record: logging.LogRecord) -> Mapping[str, Field]:
    """Returns an entry's fields; one that another library wrote has its name as the only field."""
    own = getattr(record, "fields", None)
    return own if own is not None else {"from": record.name}


class _TextLines(logging.Formatter):
    """Writes `time level event key=value`, or `<N>event key=value` for the journal."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        words = [escaped(record.getMessage())]
        words += [f"{escaped(name)}={_value(value)}" for name, value in _fields(record).items()]
        lines = [self._prefix(record) + " ".join(words)]
        if record.exc_info:
            mark = self._priority(record) if self._journal else ""
            trace = self.formatException(record.exc_info).splitlines()
            lines += [f"{mark}{_TRACE_INDENT}{escaped(line)}" for line in trace]
        return "\n".join(lines)

    def _prefix(self, record: logging.LogRecord) -> str:
        if self._journal:
            return self._priority(record)
        time = datetime.fromtimestamp(record.created, UTC)
        stamp = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return f"{stamp} {record.levelname.lower():<7} "

    @staticmethod
    def _priority(record: logging.LogRecord) -> str:
        return f"<{_PRIORITIES.get(record.levelno, _CRITICAL_PRIORITY)}>"


class _JsonLines(logging.Formatter):
    """Writes one JSON object a line, in ASCII: `ts` (Unix ms), `level`, `event`, the fields."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Field] = {
            "ts": int(record.created * 1000),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        for name, value in _fields(record).items():
            kept = value[:VALUE_CHARS_MAX] if isinstance(value, str) else value
            entry[f"{name}_" if name in _RESERVED else name] = kept
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class _Writer(logging.StreamHandler[TextIO]):
    """Writes entries; one that stderr does not take is lost, and the daemon goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Lets go of an entry that could not be written: there is nowhere to say so."""
