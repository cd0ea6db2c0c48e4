"""One event as one line: for people, as JSON, as chosen fields, or as its bare payload."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from askr_cli.durations import duration_text
from askr_cli.exits import Usage
from askr_cli.render import DIM, RESET, clock, date_and_clock, json_text, jsonable, peer_text, today
from askr_cli.safe_text import escaped
from askr_cli.terminal import Terminal
from askrd.sdk.values import Event
from askrd.wire.errors import SchemaInvalid, UnsealFailed
from askrd.wire.frames import Coding
from askrd.wire.names import shown

_ENVELOPE = ("event", "payload", "from", "seq", "ts", "retained", "log_seq", "delivery")


class EventLines:
    """Prints events in the form that was asked for.

    Args:
        terminal: where to print.
        raw: payloads only, as they are.
        fields: comma-separated paths, or None for the whole event.
        time: with date and time zone.
        delta: with the time since the event before.
    """

    def __init__(
        self, terminal: Terminal, *, raw: bool, fields: str | None, time: bool, delta: bool
    ) -> None:
        chosen = [name for name, given in (("--json", terminal.json), ("--raw", raw)) if given]
        if len(chosen) > 1 or (raw and (fields or time or delta)):
            raise Usage("--raw writes payloads alone: it goes with no other form of output")
        if raw:
            terminal.refuse_raw_on_terminal()
        self._terminal = terminal
        self._raw = raw
        self._paths = _paths(fields) if fields is not None else []
        self._time = time
        self._delta = delta
        self._last_ms: int | None = None

    def show(self, event: Event[Any]) -> None:
        """Prints ``event``."""
        times = self._times(event)
        if self._raw:
            self._show_raw(event)
        elif self._paths:
            self._show_fields(event, times)
        elif self._terminal.json:
            self._terminal.print_json(envelope(event) | times)
        else:
            self._show_line(event, times)

    def _times(self, event: Event[Any]) -> dict[str, Any]:
        """What `--time` and `--delta` add, in their order."""
        times: dict[str, Any] = {}
        if self._time:
            at = datetime.fromtimestamp(event.ts_ms / 1000).astimezone()
            times["time"] = at.isoformat(timespec="milliseconds")
        if self._delta:
            times["delta_ms"] = 0 if self._last_ms is None else event.ts_ms - self._last_ms
            self._last_ms = event.ts_ms
        return times

    def _show_raw(self, event: Event[Any]) -> None:
        end = b"" if event.coding == Coding.BYTES else b"\n"
        self._terminal.write_bytes(event.raw + end)

    def _show_fields(self, event: Event[Any], times: dict[str, Any]) -> None:
        whole = envelope(event)
        found = {path: field_of(whole, path) for path in self._paths}
        if self._terminal.json:
            self._terminal.print_json(found | times)
            return
        cells = [_time_cell(times)] if times else []
        self._terminal.write("\t".join(cells + [_cell(value) for value in found.values()]))

    def _show_line(self, event: Event[Any], times: dict[str, Any]) -> None:
        when = _time_cell(times) if times else _when(event)
        who = peer_text(event.service, event.instance)
        colour = self._terminal.colour
        payload = json_text(payload_of(event), colour=colour)
        dim, reset = (DIM, RESET) if colour else ("", "")
        about = f"  {dim}{words}{reset}" if (words := _circumstances(event)) else ""
        self._terminal.write_safe(
            f"{dim}{when}{reset} {escaped(event.subject)}  {dim}{who}{reset}  {payload}{about}"
        )


def envelope(event: Event[Any]) -> dict[str, Any]:
    """Returns what `listen --json` prints for an event."""
    whole: dict[str, Any] = {
        "event": event.subject,
        "payload": jsonable(payload_of(event)),
        "from": {"service": event.service, "instance": event.instance},
        "seq": event.seq,
        "ts": event.ts_ms,
    }
    if event.retained:
        whole["retained"] = True
    if event.log_seq:
        whole["log_seq"] = event.log_seq
    if event.delivery:
        whole["delivery"] = event.delivery
    return whole


def _circumstances(event: Event[Any]) -> str:
    """Returns how an event came that is not told just now, in brackets; nothing of others."""
    words = []
    if event.retained:
        words.append("retained")
    if event.log_seq:
        words.append(f"log {event.log_seq}")
    elif event.kept and not event.retained:
        words.append("earlier")
    if event.delivery > 1:
        words.append(f"delivery {event.delivery}")
    return f"({', '.join(words)})" if words else ""


def payload_of(event: Event[Any]) -> Any:
    """Returns an event's payload; the bytes of one that cannot be read."""
    try:
        return event.payload
    except (SchemaInvalid, UnsealFailed):
        return event.raw


def field_of(whole: Mapping[str, Any], path: str) -> Any:
    """Returns what stands at a dotted path, or None.

    A path begins in the event (`payload.id`, `from.service`, `seq`); when its first part is no
    member of the event, it begins in the payload.
    """
    parts = path.split(".")
    found: Any = whole if parts[0] in _ENVELOPE else whole["payload"]
    for part in parts:
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found


def _paths(fields: str) -> list[str]:
    paths = fields.split(",")
    if "" in paths or any("" in path.split(".") for path in paths):
        raise Usage(f"{shown(fields)} is no list of fields: write --fields payload.id,from.service")
    return paths


def _when(event: Event[Any]) -> str:
    """Returns the time of day; with the date when it is told again after its day is over."""
    ts_ms = event.ts_ms
    is_old = (event.kept or event.log_seq) and not date_and_clock(ts_ms).startswith(today())
    return f"{date_and_clock(ts_ms)}.{ts_ms % 1000:03d}" if is_old else clock(ts_ms)


def _time_cell(times: Mapping[str, Any]) -> str:
    cells = [times["time"]] if "time" in times else []
    if "delta_ms" in times:
        cells.append(f"+{duration_text(times['delta_ms'])}")
    return "  ".join(cells)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return escaped(value if isinstance(value, str) else json_text(value))
