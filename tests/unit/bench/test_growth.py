"""The crowd is really there, the points are medians, and the pictures hold every point."""

import resource
from dataclasses import replace
from pathlib import Path

import pytest

from bench.generator import get_generator
from bench.growth.__main__ import table
from bench.growth.crowd import TooFewFiles, allow_connections
from bench.growth.measure import WALKED, Axis, Plan, Point, measure
from bench.growth.plot import COLUMNS, draw, save, series_of
from bench.growth.walks import SHAPES, Walks
from bench.machine import Cores
from bench.page import MarkerMissing, put_figures

HERE = Cores(None, None)
POINTS = [
    Point(axis="services", count=count, load="round trip", us=us, us_low=us, us_high=us)
    for count, us in ((1, 2.0), (10, 2.0), (1000, 8.0))
]


@pytest.mark.integration
@pytest.mark.parametrize("name", ["connections", "subscriptions", "services"])
def test_point_is_measured_beside_a_crowd(name: str) -> None:
    loads = (("round trip", ("call", "--in-flight", "8")), ("spread", ("spread",)))
    axis = Axis(name=name, counts=(70,), loads=loads)
    plan = Plan(axes=[axis], rounds=1, measure_ms=30, generator=get_generator(), cores=HERE)
    points = measure(plan, lambda _: None)
    assert [(point.count, point.load) for point in points] == [(70, "round trip"), (70, "spread")]
    assert all(point.us > 0 and point.per_second for point in points)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_walk_is_for_a_subject_never_seen(shape: str) -> None:
    walks = Walks(shape, 30)
    workspace = walks.emitter.in_open_workspace
    count, _ = walks()
    assert len(workspace.subscriptions.subjects) == count
    walks()
    assert len(workspace.subscriptions.subjects) == 2 * count


def test_walks_are_points_without_a_rate() -> None:
    axis = replace(WALKED, counts=(1,))
    plan = Plan(axes=[axis], rounds=1, measure_ms=1, generator=get_generator(), cores=HERE)
    assert {point.per_second for point in measure(plan, lambda _: None)} == {None}


def test_limit_of_files_that_is_too_low_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    with pytest.raises(TooFewFiles, match=r"need 5512 open files .* 4096 at most.*prlimit") as told:
        allow_connections(5000)
    assert "--connections-max 3584" in str(told.value)


def test_table_compares_with_the_first_point() -> None:
    assert "4.00×" in table(POINTS).splitlines()[-1]


def test_picture_shows_every_point() -> None:
    [(axis, loads)] = series_of(POINTS).items()
    rows = [line.partition("|")[2] for line in draw(axis, loads).splitlines() if "|" in line]
    found = {column: number for number, row in enumerate(rows) for column in find(row)}
    assert sorted(found) == [0, round((COLUMNS - 1) / 3), COLUMNS - 1]
    assert found[COLUMNS - 1] < found[0]


def find(row: str) -> list[int]:
    return [column for column, cell in enumerate(row) if cell == "o"]


def test_png_is_drawn_or_the_reason_is_said(tmp_path: Path) -> None:
    reason = save(tmp_path / "growth.png", POINTS)
    assert (tmp_path / "growth.png").exists() == (not reason)


def test_figures_are_replaced_and_prose_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    put_figures(page, "new")
    put_figures(page, "newer")
    expected = "before\n<!-- figures -->\n\nnewer\n\n<!-- end of figures -->\nafter\n"
    assert page.read_text() == expected


def test_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("prose")
    with pytest.raises(MarkerMissing, match="needs a line <!-- figures -->"):
        put_figures(page, "new")
    assert page.read_text() == "prose"
