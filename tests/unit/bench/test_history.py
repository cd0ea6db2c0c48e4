"""Entries are compared with their like only, and what is beyond noise is marked."""

import json
from pathlib import Path

import pytest

from bench.history import Entry, main, previous, read, show


def entry(ns: float, us: float, *, build: str = "pure", processor: str = "a") -> Entry:
    return Entry(
        date="2030-01-01T00:00Z",
        label="",
        commit="abc1234",
        version="0.1.0",
        build=build,
        machine={"processor": processor},
        load_before=0.1,
        micro={"call": ns},
        wall={"call-64": us},
        rates={},
    )


def test_entry_is_compared_with_the_last_of_its_machine_and_build() -> None:
    entries = [entry(1, 1), entry(2, 2), entry(3, 3, build="compiled"), entry(4, 4, processor="b")]
    assert previous([*entries, entry(5, 5)], 4) == entries[1]
    assert previous(entries, 2) is None
    assert previous(entries, 3) is None


@pytest.mark.parametrize(
    ("ns", "us", "marks"), [(109, 124, 0), (112, 124, 1), (109, 130, 1), (80, 60, 2)]
)
def test_change_beyond_noise_is_marked(ns: float, us: float, marks: int) -> None:
    rows = show([entry(100, 100), entry(ns, us)], 1).rpartition("\n\n")[0]
    assert rows.count("!") == marks


def test_figure_that_is_new_is_shown_without_a_change() -> None:
    fresh = entry(100, 100)
    fresh["micro"]["split"] = 200.0
    line = next(row for row in show([entry(100, 100), fresh], 1).splitlines() if "split" in row)
    assert line.split() == ["split,", "ns", "200"]


def test_show_reads_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text("".join(json.dumps(entry(ns, 1)) + "\n" for ns in (100, 150)))
    assert main(["show", "--file", str(file), "--last", "1"]) == 0
    assert "150 +50%!" in capsys.readouterr().out
    assert len(read(file)) == 2


def test_history_that_is_empty_says_how_to_begin(tmp_path: Path) -> None:
    assert show(read(tmp_path / "none.jsonl"), 5) == (
        "the history is empty: python -m bench.history add"
    )
