"""Puts the figures of a results file into the page about performance, between two markers.

The page has a place for each way in which idle cores were kept, because their figures differ.
"""

from collections.abc import Mapping
from pathlib import Path

from bench.peers.results import FOLDER, Run
from bench.peers.tables import summary

PAGE = FOLDER.parent.parent / "docs" / "PERFORMANCE.md"
BEGIN = "<!-- figures of bench.peers, idle cores {}: written by the program, not by hand -->"
END = "<!-- end of the figures of bench.peers, idle cores {} -->"

LEGEND = """\
`*` marks a figure whose limit may have been the generator, which makes a ratio with it `≥` or `≤`
(`~`: both). `!` marks one during which other processes kept the server or the generator from its
core for more than 10 % of the time. – was not measured."""


class NoPlace(Exception):
    """The page lacks the markers between which the figures stand."""


def refresh(run: Run, page: Path = PAGE) -> None:
    """Replaces what stands between the markers of ``page`` by the figures of ``run``.

    Raises:
        NoPlace: a marker is missing; the page is as it was.
    """
    idle = str(run.settings.get("idle_cores", ""))
    before, _, after = split(page.read_text(encoding="utf-8"), idle)
    between = f"{BEGIN.format(idle)}\n\n{figures(run)}\n\n{END.format(idle)}"
    page.write_text(f"{before}{between}{after}", encoding="utf-8")


def split(text: str, idle: str) -> tuple[str, str, str]:
    """Returns what stands before, between and after the markers for a way of idle cores.

    Raises:
        NoPlace: a marker is missing.
    """
    first, last = BEGIN.format(idle), END.format(idle)
    before, begin, rest = text.partition(first)
    between, end, after = rest.partition(last)
    if not begin or not end:
        raise NoPlace(f"the page needs the lines {first!r} and {last!r}, in this order")
    return before, between.strip("\n"), after


def figures(run: Run) -> str:
    """Returns the Markdown that describes ``run``."""
    parts = [_about(run), *(table.as_markdown() for table in summary(run))]
    errors = [
        f"- `{row.name}` on {row.over}: {row.error.splitlines()[0]}"
        for row in run.rows
        if row.error
    ]
    if errors:
        parts.append("### Rows without a figure\n\n" + "\n".join(errors))
    return "\n\n".join(parts)


def _about(run: Run) -> str:
    lines = [
        f"From [`bench/results/{run.name}`](../bench/results/{run.name}).",
        "",
        f"- Machine: {_listed(run.machine)}.",
        f"- Programs: {', '.join(run.versions.values())}.",
        f"- Settings: {_listed(run.settings)}.",
    ]
    lines += [f"- Not there: {name} ({reason})." for name, reason in run.gaps.items()]
    return "\n".join([*lines, "", LEGEND])


def _listed(members: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {_worded(value)}" for name, value in members.items()
    )


def _worded(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {each}" for name, each in value.items()) + ")"
    return str(value)
