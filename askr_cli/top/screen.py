"""Draws a view of the daemon for a terminal of any size; knows nothing of keys or sockets.

The screen is a list of lines that are exactly as wide as the terminal, so that nothing wraps or
flickers. Names come from strangers and are escaped.
"""

from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from askr_cli.safe_text import escaped
from askr_cli.top.figures import count, milliseconds, rate, uptime
from askr_cli.top.model import Order, View, share, sparkline
from askr_cli.top.tables import (
    Block,
    Cell,
    Column,
    Focus,
    beside,
    commands,
    events,
    peers,
)

WIDE_COLUMNS = 140
HEADER_LINES = 4
FOOTER_LINES = 1
SPARK_COLUMNS_MAX = 40
ROWS_LEAST = 4
"""Rows of a table that should be seen before further tables get a place."""

KEYS = (
    ("q", "quit"),
    ("p  Space", "pause, go on"),
    ("s", "sort by the next of: busiest, slowest, errors, name"),
    ("Tab", "choose the table that the arrows move"),
    ("↑ ↓ PgUp PgDn Home", "scroll it"),
    ("?  h", "this help, and back"),
)


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
    blocks = [commands(view), events(view), peers(view), *beside(view)]
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
    mood = _mood(looks)
    words = (
        f"askrd {escaped(daemon.version)}{escaped(build)}",
        f"up {uptime(daemon.uptime_ms)}",
        f"{count(sessions)} connections",
        f"workspace {escaped(daemon.workspace)}",
        escaped(daemon.id),
    )
    first = _beside(f" {_that_fit(words, columns - cell_len(mood[0]) - 1)}", mood, columns)
    errors = f"errors {count(view.errors)} ({rate(view.rates['fails'])}/s)"
    calls = (
        f"{count(view.snapshot.total('in_flight'))} in flight"
        f"  p50 ~{milliseconds(view.p50_ms)}  p99 ≤{milliseconds(view.p99_ms)}  "
    )
    dropped = view.snapshot.total("dropped")
    told = f"{rate(view.rates['deliveries'])}/s delivered  "
    waiting = f"  waiting {count(view.snapshot.total('waiting'))}"
    lost = f"dropped {count(dropped)} ({rate(view.rates['dropped'])}/s)"
    return [
        first,
        _meter("commands", view, calls, (errors, "red" if view.errors else ""), "", columns),
        _meter("events", view, told, (lost, "bold red" if dropped else ""), waiting, columns),
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
    line.truncate(columns, overflow="ellipsis", pad=True)
    return line


def _that_fit(words: tuple[str, ...], columns: int) -> str:
    """Returns as many of the words as have a place, the first ones first."""
    kept = [*words]
    while len(kept) > 1 and cell_len("  ".join(kept)) > columns:
        kept.pop()
    return "  ".join(kept)


def _footer(looks: Looks, columns: int) -> Text:
    words = (
        "q quit",
        "? help",
        f"p {'go on' if looks.paused else 'pause'}",
        f"s sort: {looks.order}",
        f"Tab table: {looks.focus}",
        "↑↓ scroll",
    )
    return _line(f" {_that_fit(words, columns - 1)}", columns, "reverse")


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
    rest = [events(view), peers(view), *beside(view)]
    if columns < WIDE_COLUMNS:
        return _stack(_fit([commands(view), *rest], lines), looks, columns, lines)
    left_columns = (columns - 2) * 11 // 20
    right_columns = columns - 2 - left_columns
    left = _stack([commands(view)], looks, left_columns, lines)
    right = _stack(rest, looks, right_columns, lines)
    left += [_line("", left_columns)] * (lines - len(left))
    right += [_line("", right_columns)] * (lines - len(right))
    return [Text("  ").join(pair) for pair in zip(left, right, strict=True)]


def _fit(blocks: list[Block], lines: int) -> list[Block]:
    """Returns as many tables as have a place for their first rows; those that move stay."""
    kept = list(blocks)
    while sum(min(len(block.rows), ROWS_LEAST) + 2 for block in kept) > lines + 1:
        if kept[-1].focus is not None:
            break
        kept.pop()
    return kept


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
