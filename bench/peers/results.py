"""A run as a file: the machine, the versions, the settings and every row, for later comparison."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.report import Row

FOLDER = Path(__file__).resolve().parent.parent / "results"
FORMAT = 1
COMPUTED = ("ratios", "targets")
"""Members that stand in the file for its readers; this program computes them from the rows."""
Members = dict[str, object]


class NotAResult(Exception):
    """The file is no result of this program; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything one run found.

    Attributes:
        date: the day it was made, as ``2026-01-31``.
        label: what it is called beside its date.
        machine: what it ran on.
        versions: what each program was.
        gaps: programs that were not there, each with what to do about it.
        settings: rounds, milliseconds and the like.
        rows: one per workload and system; ``over`` names the system.
        sdk: rows of the benchmark through the SDKs; empty when it was not run.
    """

    date: str
    label: str
    machine: Members
    versions: dict[str, str]
    gaps: dict[str, str]
    settings: Members
    rows: list[Row]
    sdk: list[Members] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.date}-{self.label}.json"


def as_object(run: Run) -> Members:
    """Returns the run as a JSON object; a row calls its system ``system``."""
    members: Members = {"format": FORMAT} | {
        name: getattr(run, name) for name in Run.__dataclass_fields__ if name != "rows"
    }
    members["rows"] = [_row_object(row) for row in run.rows]
    return members


def _row_object(row: Row) -> Members:
    members = asdict(row)
    members["system"] = members.pop("over")
    members["rounds"] = [_short(value) for value in row.rounds]
    return {
        name: _short(value) if isinstance(value, float) else value
        for name, value in members.items()
    }


def _short(value: float) -> float:
    """Four digits before or three after the point: more than any of these figures can carry."""
    return round(value) if abs(value) >= 1000 else round(value, 3)


def write(members: Members, name: str, folder: Path = FOLDER) -> Path:
    """Writes a run as an object, one row a line, and returns the file."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(_text(members), encoding="utf-8")
    return path


def _text(members: Members) -> str:
    parts = [f"{json.dumps(name)}: {_member(value)}" for name, value in members.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _member(value: object) -> str:
    if isinstance(value, list) and value:
        lines = ",\n".join(f"  {json.dumps(each, ensure_ascii=False)}" for each in value)
        return f"[\n{lines}\n]"
    return json.dumps(value, ensure_ascii=False)


def read(path: Path) -> Run:
    """Returns the run in ``path``.

    Raises:
        NotAResult: it cannot be read, or was written in another format.
    """
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
        if members.pop("format") != FORMAT:
            raise NotAResult(f"{path.name} has another format than {FORMAT}: run again")
        for name in COMPUTED:
            members.pop(name, None)
        rows = [_row(each) for each in members.pop("rows")]
        return Run(rows=rows, **members)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise NotAResult(f"{path.name} is no result of bench.peers: {exc}") from exc


def _row(members: Members) -> Row:
    system = members.pop("system")
    return Row(over=str(system), **members)  # type: ignore[arg-type]


def label_from(text: str) -> str:
    """Returns ``text`` when it can be part of a file's name.

    Raises:
        ValueError: it cannot.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", text):
        raise ValueError("a label has small letters, digits and dashes")
    return text


def names(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Returns the workloads and the systems of these rows, each in order of appearance."""
    workloads = list(dict.fromkeys(row.name for row in rows))
    return workloads, list(dict.fromkeys(row.over for row in rows))
