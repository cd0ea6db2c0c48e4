"""Draws a view of the daemon for a terminal of any size; knows nothing of keys or sockets.

The screen is a list of lines that are exactly as wide as the terminal, so that nothing wraps or
flickers. Names come from strangers and are escaped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from askr_cli.safe_text import escaped
from askr_cli.top.figures import count, milliseconds, rate, size, uptime
from askr_cli.top.model import Order, View, share, sparkline

WIDE_COLUMNS = 140
SLOW_MS = 1_000
HEADER_LINES = 4
FOOTER_LINES = 1
SPARK_COLUMNS_MAX = 40

KEYS = (
    ("q", "quit"),
    ("p  Space", "pause, go on"),
    ("s", "sort by the next of: busiest, slowest, errors, name"),
    ("Tab", "choose the table that the arrows move"),
    ("↑ ↓ PgUp PgDn Home", "scroll it"),
    ("?  h", "this help, and back"),
)


class Focus(StrEnum):
    """The table that the arrows move."""

    COMMANDS = "commands"
    EVENTS = "events"
    PEERS = "peers"

    def following(self) -> "Focus":
        """Returns the table that the next press of Tab brings."""
        every = list(Focus)
        return every[(every.index(self) + 1) % len(every)]


@dataclass(slots=True)
class Looks:
    """What the person at the keys chose.

    Attributes:
        order: of the rows.
        focus: table that scrolls.
        offset: rows of it that are scrolled away.
        paused: whether the numbers stand still.
        helping: whether the help lies over the tables.
        trouble: why the numbers are old, or empty.
        interval_s: seconds between two looks; 0 for a single one.
    """

    order: Order = Order.BUSIEST
    focus: Focus = Focus.COMMANDS
    offset: int = 0
    paused: bool = False
    helping: bool = False
    trouble: str = ""
    interval_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Column:
    """A column right of the name: its heading and its width in cells."""

    heading: str
    width: int


Cell = str | tuple[str, str]
"""A text, or a text and its style."""


@dataclass(frozen=True, slots=True)
class Block:
    """One table, before it is cut to its place.

    Attributes:
        title: heading of the first column.
        columns: the others.
        rows: a name and a cell for each column.
        empty: what stands there without rows.
        focus: which `Focus` moves it; None when nothing does.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    empty: str
    focus: Focus | None = None


def draw(view: View | None, looks: Looks, columns: int, lines: int) -> Text:
    """Returns the whole screen: ``lines`` lines of ``columns`` cells.

    Args:
        view: the numbers, None before the first came.
        looks: what the person chose; its offset is brought back into the table.
        columns: width of the terminal.
        lines: height of the terminal.
    """
    if view is None:
        drawn = [_line(f" {looks.trouble or 'asking the daemon …'}", columns, "yellow")]
    else:
        body_lines = max(0, lines - HEADER_LINES - FOOTER_LINES)
        body = _help(columns) if looks.helping else _body(view, looks, columns, body_lines)
        body += [_line("", columns)] * (body_lines - len(body))
        drawn = [*_header(view, looks, columns), *body[:body_lines]]
    drawn += [_line("", columns)] * (lines - FOOTER_LINES - len(drawn))
    return Text("\n").join([*drawn[: max(0, lines - FOOTER_LINES)], _footer(looks, columns)])


def report(view: View | None, columns: int) -> list[str]:
    """Returns the header and every row of every table, as plain lines."""
    if view is None:
        return []
    blocks = [_commands(view), _events(view), _peers(view)] + ([_queues(view)] * bool(view.queues))
    looks = Looks(interval_s=0)
    blocks = [replace(block, focus=None) for block in blocks]  # no keys, hence nothing chosen
    lines = sum(max(1, len(block.rows)) + 2 for block in blocks)
    drawn = [*_header(view, looks, columns), *_stack(blocks, looks, columns, lines)]
    return [line.plain.rstrip() for line in drawn]


def _line(text: str, columns: int, style: str = "") -> Text:
    return Text(set_cell_size(text, columns), style=style, no_wrap=True, end="")


def _header(view: View, looks: Looks, columns: int) -> list[Text]:
    daemon = view.snapshot.daemon
    kind, _, _ = daemon.build.partition(",")
    build = f" ({kind})" if kind else ""
    sessions = view.snapshot.total("sessions") or len(view.peers)
    who = (
        f" askrd {escaped(daemon.version)}{escaped(build)}  up {uptime(daemon.uptime_ms)}"
        f"  {count(sessions)} connections  workspace {escaped(daemon.workspace)}"
    )
    mood = _mood(looks)
    name = f"  {escaped(daemon.id)}"
    fits = cell_len(who + name) + cell_len(mood[0]) <= columns
    first = _beside(who + name if fits else who, mood, columns)
    errors = f"errors {count(view.errors)} ({rate(view.rates['fails'])}/s)"
    commands = (
        f"{count(view.snapshot.total('in_flight'))} in flight"
        f"  p50 ~{milliseconds(view.p50_ms)}  p99 ≤{milliseconds(view.p99_ms)}  "
    )
    dropped = view.snapshot.total("dropped")
    events = f"{rate(view.rates['deliveries'])}/s delivered  "
    waiting = f"  waiting {count(view.snapshot.total('waiting'))}"
    lost = f"dropped {count(dropped)} ({rate(view.rates['dropped'])}/s)"
    return [
        first,
        _meter("commands", view, commands, (errors, "red" if view.errors else ""), "", columns),
        _meter("events", view, events, (lost, "bold red" if dropped else ""), waiting, columns),
        _line("", columns),
    ]


def _mood(looks: Looks) -> tuple[str, str]:
    if looks.trouble:
        return f"  {looks.trouble} ", "bold yellow"
    if looks.paused:
        return "  PAUSED ", "bold yellow"
    return (f"  every {looks.interval_s:g} s ", "green") if looks.interval_s else ("", "")


def _beside(left: str, right: tuple[str, str], columns: int) -> Text:
    text, style = right
    room = max(0, columns - cell_len(text))
    line = Text(set_cell_size(left, room), style="bold", no_wrap=True, end="")
    line.append(set_cell_size(text, columns - room), style)
    return line


def _meter(
    name: str, view: View, middle: str, warning: tuple[str, str], end: str, columns: int
) -> Text:
    """Returns a line with a rate, its past as bars, and words beside it."""
    head = f" {name:<9}{rate(view.rates[name]):>7}/s "
    taken = cell_len(head) + cell_len(middle) + cell_len(warning[0]) + cell_len(end) + 3
    width = min(SPARK_COLUMNS_MAX, max(0, columns - taken))
    line = Text(head, no_wrap=True, end="")
    line.append(sparkline(view.past.get(name, ()), width), "cyan")
    line.append(f"  {middle}")
    line.append(*warning)
    line.append(end)
    line.truncate(columns, pad=True)
    return line


def _footer(looks: Looks, columns: int) -> Text:
    keys = f" q quit  p {'go on' if looks.paused else 'pause'}  s sort: {looks.order}"
    return _line(f"{keys}  Tab table: {looks.focus}  ↑↓ scroll  ? help", columns, "reverse")


def _help(columns: int) -> list[Text]:
    lines = [_line("", columns)]
    lines += [_line(f"   {keys:<20} {meaning}", columns) for keys, meaning in KEYS]
    words = (
        "Rates cover the last three seconds; totals all since the daemon started.",
        "RUN: commands under way. QUEUED, BYTES: what a peer has not read yet.",
        "p50, p95, p99: estimates of the round trips through the daemon;",
        "~ weighs the commands by their calls, ≤ is the slowest command's.",
    )
    return [*lines, _line("", columns), *(_line(f"   {each}", columns, "dim") for each in words)]


def _body(view: View, looks: Looks, columns: int, lines: int) -> list[Text]:
    commands, rest = _commands(view), [_events(view), _peers(view)]
    if view.queues:
        rest.append(_queues(view))
    if columns < WIDE_COLUMNS:
        return _stack([commands, *rest], looks, columns, lines)
    left_columns = (columns - 2) * 11 // 20
    right_columns = columns - 2 - left_columns
    left = _stack([commands], looks, left_columns, lines)
    right = _stack(rest, looks, right_columns, lines)
    left += [_line("", left_columns)] * (lines - len(left))
    right += [_line("", right_columns)] * (lines - len(right))
    return [Text("  ").join(pair) for pair in zip(left, right, strict=True)]


def _stack(blocks: list[Block], looks: Looks, columns: int, lines: int) -> list[Text]:
    """Returns tables below each other; some are left out when there is no place for a row each."""
    while len(blocks) > 1 and lines < 3 * len(blocks) - 1:
        blocks.remove([block for block in blocks if block.focus is not looks.focus][-1])
    wanted = tuple(max(1, len(block.rows)) for block in blocks)
    frame = 2 * len(blocks) - 1  # a heading each, an empty line between
    places = share(lines - frame, wanted)
    drawn: list[Text] = []
    for block, place in zip(blocks, places, strict=True):
        if drawn:
            drawn.append(_line("", columns))
        drawn += _table(block, looks, columns, place)
    return drawn[:lines]


def _table(block: Block, looks: Looks, columns: int, place: int) -> list[Text]:
    in_focus = block.focus is not None and block.focus is looks.focus
    offset = 0
    if in_focus:
        looks.offset = offset = max(0, min(looks.offset, len(block.rows) - place))
    shown = block.rows[offset : offset + place]
    hidden = len(block.rows) - len(shown)
    title = f"▸ {block.title}" if in_focus else block.title
    if hidden:
        title += f" {offset + 1}–{offset + len(shown)}/{len(block.rows)}"
    kept = _fitting(block.columns, columns)
    heading: tuple[Cell, ...] = (title, *(column.heading for column in block.columns))
    drawn = [_row(heading, kept, columns, "bold reverse" if in_focus else "reverse")]
    drawn += [_row(row, kept, columns) for row in shown]
    if not block.rows and place:
        drawn.append(_line(f" {block.empty}", columns, "dim"))
    return drawn


def _fitting(columns: tuple[Column, ...], width: int) -> tuple[Column, ...]:
    """Returns as many columns as leave the name a third of the width."""
    kept = list(columns)
    while kept and sum(column.width + 1 for column in kept) > width * 2 // 3:
        kept.pop()
    return tuple(kept)


def _row(cells: tuple[Cell, ...], kept: tuple[Column, ...], columns: int, style: str = "") -> Text:
    room = max(1, columns - sum(column.width + 1 for column in kept))
    line = Text(style=style, no_wrap=True, end="")
    for index, cell in enumerate(cells[: len(kept) + 1]):
        text, own = (cell, "") if isinstance(cell, str) else cell
        if index == 0:
            line.append(_clipped(f" {text}", room), own)
        else:
            width = kept[index - 1].width
            clipped = _clipped(text, width)
            line.append(" " * (width + 1 - cell_len(clipped.rstrip())) + clipped.rstrip(), own)
    return line


def _clipped(text: str, width: int) -> str:
    """Returns the text in exactly ``width`` cells, an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, max(0, width - 1)) + "…", width)


def _warned(number: int, style: str) -> Cell:
    return (count(number), style) if number else count(number)


def _commands(view: View) -> Block:
    columns = (
        ("CALLS/S", 8),
        ("RUN", 5),
        ("P50", 8),
        ("P95", 8),
        ("P99", 8),
        ("ERRORS", 7),
        ("CALLS", 9),
    )
    rows: list[tuple[Cell, ...]] = []
    for row in view.commands:
        slow = (row.count.p99_ms or 0) >= SLOW_MS
        p99 = milliseconds(row.count.p99_ms)
        rows.append(
            (
                escaped(row.count.name),
                rate(row.calls_per_s),
                count(row.count.in_flight),
                milliseconds(row.count.p50_ms),
                milliseconds(row.count.p95_ms),
                (p99, "yellow") if slow else p99,
                _warned(row.count.errors, "red"),
                count(row.count.calls),
            )
        )
    named = tuple(Column(*column) for column in columns)
    return Block("COMMANDS", named, rows, "no command was called yet", Focus.COMMANDS)


def _events(view: View) -> Block:
    rows: list[tuple[Cell, ...]] = [
        (
            escaped(row.count.event),
            rate(row.per_s),
            count(row.count.count),
            count(row.count.listeners),
        )
        for row in view.events
    ]
    columns = (Column("EVENTS/S", 8), Column("EVENTS", 9), Column("LISTENERS", 9))
    return Block("EVENTS", columns, rows, "no event was emitted yet", Focus.EVENTS)


def _peers(view: View) -> Block:
    rows: list[tuple[Cell, ...]] = [
        (
            escaped(peer.id or peer.name),
            escaped(peer.via),
            count(peer.in_flight),
            count(peer.outbox_frames),
            size(peer.outbox_bytes),
            _warned(peer.dropped, "bold red"),
            escaped(peer.kind),
        )
        for peer in view.peers
    ]
    columns = (("VIA", 9), ("RUN", 5), ("QUEUED", 6), ("BYTES", 7), ("DROPPED", 7), ("KIND", 8))
    named = tuple(Column(*column) for column in columns)
    return Block("PEERS", named, rows, "nobody is connected", Focus.PEERS)


def _queues(view: View) -> Block:
    rows: list[tuple[Cell, ...]] = [
        (escaped(queue.service), (count(queue.waiting), "yellow"), size(queue.waiting_bytes))
        for queue in view.queues
    ]
    return Block("WAITING FOR", (Column("COMMANDS", 8), Column("BYTES", 8)), rows, "nothing waits")
