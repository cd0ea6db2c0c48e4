"""A run survives its file, and the page shows what the file says."""

from pathlib import Path

import pytest

from bench.peers.page import PAGE, NoPlace, figures, refresh, split
from bench.peers.results import FOLDER, NotAResult, Run, as_object, label_from, read, write
from bench.report import Row

FILES = sorted(FOLDER.glob("*.json"))


def run_of(*rows: Row) -> Run:
    return Run(
        date="2026-01-31",
        label="full",
        machine={"processor": "one"},
        versions={"nats": "nats-server 1"},
        gaps={"crossbar": "crossbar is not installed: pip install crossbar"},
        settings={"rounds": 3, "idle_cores": "polling"},
        rows=list(rows),
    )


PURE = Row(
    name="call-64",
    title="round trip",
    over="pure",
    unit="/s",
    value=120_000.0,
    low=110_000.0,
    high=130_000.0,
    daemon_us_per_op=3.125,
    rounds=[110_000.0, 120_000.0, 130_000.0],
)
FAILED = Row(name="call-64", title="round trip", over="nats", error="2 answers never came")


def test_run_comes_back_from_its_file(tmp_path: Path) -> None:
    run = run_of(PURE, FAILED)
    path = write(as_object(run) | {"ratios": [], "targets": []}, run.name, tmp_path)
    assert path.name == "2026-01-31-full.json"
    assert read(path) == run


def test_other_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    for text in ("", "[]", "{}", '{"format": 99, "rows": []}'):
        path.write_text(text)
        with pytest.raises(NotAResult):
            read(path)


@pytest.mark.parametrize("label", ["", "Full", "a/b", "-a", "..", "a" * 50])
def test_label_that_is_no_part_of_a_file_name_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="small letters"):
        label_from(label)


def test_page_keeps_its_text_and_gets_the_figures(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    before, _, after = split(page.read_text(encoding="utf-8"), "polling")
    refresh(run_of(PURE, FAILED), page)
    again = split(page.read_text(encoding="utf-8"), "polling")
    assert again == (before, figures(run_of(PURE, FAILED)), after)


def test_figures_name_gaps_and_errors() -> None:
    text = figures(run_of(PURE, FAILED))
    assert "| round trip | 120k [110k–130k] | error | not here |" in text
    assert "- Not there: crossbar (crossbar is not installed: pip install crossbar)." in text
    assert "- `call-64` on nats: 2 answers never came" in text


def test_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(NoPlace):
        refresh(run_of(PURE), page)
    assert page.read_text() == "nothing\n"


def test_every_kept_result_can_be_read() -> None:
    assert [path.name for path in FILES if not read(path).rows] == []


@pytest.mark.parametrize("idle", ["polling", "asleep"])
def test_page_says_what_its_file_says(idle: str) -> None:
    _, between, _ = split(PAGE.read_text(encoding="utf-8"), idle)
    (source,) = [path for path in FILES if f"`bench/results/{path.name}`" in between]
    assert figures(read(source)) == between
    assert read(source).settings["idle_cores"] == idle
