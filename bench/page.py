"""Figures inside a page of prose: what stands between two markers is written anew, the rest stays."""

from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "performance"


class MarkerMissing(Exception):
    """A page has no place for the figures; the text says what to add."""


def put_figures(page: Path, figures: str) -> None:
    """Writes ``figures`` between the markers of ``page``; everything else stays as it is.

    Raises:
        MarkerMissing: the page is not there or lacks its two markers, in this order.
    """
    start, end = "<!-- figures -->", "<!-- end of figures -->"
    text = page.read_text() if page.exists() else ""
    before, is_started, rest = text.partition(start)
    _, is_ended, after = rest.partition(end)
    if not (is_started and is_ended):
        raise MarkerMissing(f"{page} needs a line {start} and, below it, a line {end}")
    page.write_text(f"{before}{start}\n\n{figures.strip()}\n\n{end}{after}")


def block(text: str) -> str:
    """Returns ``text`` as a block that keeps its columns."""
    return f"```\n{text.rstrip()}\n```"


def machine_line(machine: dict[str, object]) -> str:
    """Returns what was measured on what, as one sentence."""
    build, load = machine.get("build", "pure"), machine.get("load_before", "unknown")
    return (
        f"{machine.get('askrd', 'askrd')}, {build} build, {machine['python']}, "
        f"{machine['system']}, {machine['cores']} × {machine['processor']}; "
        f"load before the start {load}."
    )


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """Returns cells as a Markdown table, the first line as its heading, numbers to the right."""
    heading, *rows = lines
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heading, rule, *rows))
