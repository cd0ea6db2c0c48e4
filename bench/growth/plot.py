"""The growth as pictures: with dots for a terminal, and as a PNG where matplotlib is installed."""

from collections.abc import Sequence
from math import log10
from pathlib import Path

from bench.growth.measure import Point

COLUMNS, LINES = 60, 12
MARKS = "ox+*"
TITLES = {
    "connections": "idle connections besides",
    "subscriptions": "unrelated subscriptions besides, subject known",
    "services": "other services besides",
    "walk": "unrelated subscriptions, every subject new, router alone",
}


def series_of(points: Sequence[Point]) -> dict[str, dict[str, list[Point]]]:
    """Returns the points by axis and load, in the order in which they came."""
    found: dict[str, dict[str, list[Point]]] = {}
    for point in points:
        found.setdefault(point.axis, {}).setdefault(point.load, []).append(point)
    return found


def draw(axis: str, loads: dict[str, list[Point]]) -> str:
    """Returns one picture: microseconds per operation against the count, both logarithmic."""
    points = [point for series in loads.values() for point in series]
    left, right = _ends([point.count for point in points])
    low, high = _ends([point.us for point in points])
    canvas = [[" "] * COLUMNS for _ in range(LINES)]
    for mark, series in zip(MARKS, loads.values(), strict=False):
        for point in series:
            column = round((log10(point.count) - left) / (right - left) * (COLUMNS - 1))
            line = round((log10(point.us) - low) / (high - low) * (LINES - 1))
            canvas[LINES - 1 - line][column] = mark
    rows = [
        f"{_scale(number, low, high):>8} |{''.join(cells).rstrip()}"
        for number, cells in enumerate(canvas)
    ]
    counts = f"{10**left:<10.0f}{10**right:>{COLUMNS - 10}.0f}"
    legend = "   ".join(f"{mark} {load}" for mark, load in zip(MARKS, loads, strict=False))
    base = " " * 9 + "+" + "-" * COLUMNS
    title = f"us per operation, {TITLES[axis]}"
    return "\n".join([title, *rows, base, " " * 10 + counts, " " * 10 + legend])


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Returns whole decades around ``values``, at least one apart."""
    low, high = int(log10(min(values)) // 1), -int(-log10(max(values)) // 1)
    return float(low), float(max(high, low + 1))


def _scale(number: int, low: float, high: float) -> str:
    if number not in {0, LINES // 2, LINES - 1}:
        return ""
    return f"{10 ** (high - (high - low) * number / (LINES - 1)):.3g}"


def save(path: Path, points: Sequence[Point]) -> str:
    """Writes the picture to ``path`` and returns nothing, or why it could not be drawn."""
    try:
        import matplotlib as mpl
    except ImportError:
        return "matplotlib is not installed (pip install 'askrd[bench]'): the PNG stays as it was"
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found = series_of(points)
    figure, places = plt.subplots(
        1, len(found), figsize=(4.6 * len(found), 3.8), squeeze=False, layout="constrained"
    )
    for place, (axis, loads) in zip(places[0], found.items(), strict=True):
        for load, series in loads.items():
            counts, us = [p.count for p in series], [p.us for p in series]
            spread = [[p.us - p.us_low for p in series], [p.us_high - p.us for p in series]]
            place.errorbar(counts, us, yerr=spread, marker="o", capsize=3, label=load)
        place.set(xscale="log", yscale="log", xlabel=TITLES[axis], title=axis)
        low, high = _ends([point.us for series in loads.values() for point in series])
        place.set_ylim(10**low, 10**high)
        place.set_ylabel("daemon, µs per operation")
        place.grid(visible=True, which="major", alpha=0.3)
        place.legend(fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return ""
