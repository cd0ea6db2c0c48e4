"""Reads the tables of docs/PROTOCOL.md, so that page and code are held together by tests."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[4] / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")


def section(number: str) -> str:
    """The text below the heading with this number, up to the next heading."""
    match = re.search(
        rf"^#+ {re.escape(number)} .*?$(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert match, f"the page has no section {number}"
    return match[1]


def tables(number: str) -> list[list[list[str]]]:
    """The tables of a section: rows of cells, without the headings and rulers."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", section(number), re.MULTILINE):
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()
        ]
        found.append(rows[2:])
    return found


def words(cell: str) -> list[str]:
    """The words in code quotes of a cell, or the parts between its dots."""
    return re.findall(r"`([^`]+)`", cell) or [part.strip() for part in cell.split("·")]
