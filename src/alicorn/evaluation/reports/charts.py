"""The charts of the reports: means with their intervals, curves, a map of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alicorn.evaluation.metrics.bootstrap import Interval
from alicorn.reporting.figure import AXIS, INK, LINE, MUTED, OTHER, SERIES, Chart, drawing, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Series = Mapping[str, Sequence[Interval | None]]
"""Name -> one mean with its interval for each row of the chart, None where the row has none of this series."""
_ROW = 26  # pixels
_LABELS = 210  # pixels left of the panels


@dataclass(frozen=True)
class Curve:
    """points: (x, y), x rising."""

    label: str
    points: Sequence[tuple[float, float]]


def interval_chart(
    rows: Sequence[str], measures: Mapping[str, Series], low: float, title: str = "", linear_below: float | None = None
) -> Chart:
    """One panel per measure, one line per row, one dot with its interval per series; the axis is from `low` to 1.

    linear_below: the axis is logarithmic beyond this distance from 0.
    """
    first = next(iter(measures.values()))
    names = list(first)
    per_row = max(sum(values[at] is not None for values in first.values()) for at in range(len(rows)))
    row = _ROW + 7 * max(0, per_row - 2)
    lines = title.count("\n") + 1 if title else 0
    height = row * len(rows) + 50 + 17 * lines + 24 * ((len(names) - 1) // 3 + 1) * (len(names) > 1)
    with drawing(980 if len(measures) == 1 else _LABELS + 250 * len(measures), height) as figure:
        titles: dict[str, list[str]] = {}
        for panel, (measure, series) in zip(panels(figure, len(measures)), measures.items(), strict=True):
            titles |= _draw_intervals(panel, rows, measure, series, row)
            _limit(panel, low, linear_below)
            panel.set_title(measure, fontsize=12)
            panel.set_ylim(len(rows) - 0.5, -0.5)
            panel.set_yticks(range(len(rows)), rows, color=INK)
            panel.grid(axis="y", visible=False)
            if per_row > 1:
                between, across = np.arange(len(rows) - 1) + 0.5, panel.get_yaxis_transform()
                panel.hlines(between, 0, 1, transform=across, color=LINE, lw=1)
        if len(names) > 1:
            handles, labels = figure.axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower left", ncols=3, labelcolor=MUTED)
        if title:
            figure.suptitle(title, fontsize=13, ha="left", x=0.01)
    return Chart(figure, titles)


def _draw_intervals(
    panel: Axes, rows: Sequence[str], measure: str, series: Series, row_height: float
) -> dict[str, list[str]]:
    """Series of one row are one above the other. Returns gid -> titles of the dots."""
    titles = {}
    for colour, (name, values) in zip(SERIES, series.items(), strict=False):
        known = [(at, cell) for at, cell in enumerate(values) if cell is not None and not np.isnan(cell.mean)]
        places = [at + _shift(series, name, at) * 8 / row_height for at, _ in known]
        means, lows, highs = ([getattr(cell, end) for _, cell in known] for end in ("mean", "low", "high"))
        gid = f"{measure}/{name}"
        panel.hlines(places, lows, highs, color=colour, alpha=0.55, lw=2.5)
        panel.scatter(means, places, color=colour, s=44, zorder=3, label=name, linewidths=0, gid=gid)
        titles[gid] = [f"{rows[at]}: {cell.mean:.4f} [{cell.low:.4f}, {cell.high:.4f}]" for at, cell in known]
    return titles


def _shift(series: Series, name: str, row: int) -> float:
    """How far below the middle of the row this series is, in places, of those that the row has."""
    present = [one for one, values in series.items() if values[row] is not None]
    return present.index(name) - (len(present) - 1) / 2


def _limit(panel: Axes, low: float, linear_below: float | None) -> None:
    panel.axvline(0, color=AXIS, lw=1)
    if linear_below is None:
        panel.set_xlim(low, 1 + 0.02 * (1 - low))
        return
    panel.set_xscale("symlog", linthresh=linear_below)
    panel.set_xticks([0, linear_below, 10 * linear_below, 1], ["0", f"{linear_below:g}", f"{10 * linear_below:g}", "1"])
    panel.minorticks_off()
    panel.set_xlim(min(low, -linear_below), 1.2)


def curve_chart(curves: Sequence[Curve], x_title: str, y_title: str, marked_x: float | None = None) -> Chart:
    """Curves over one x, each named at its end; a broken vertical line at `marked_x`."""
    from matplotlib.ticker import MaxNLocator

    with drawing(480, 270) as figure:
        (panel,) = panels(figure, 1)
        titles = {}
        for colour, curve in zip(SERIES, curves, strict=False):
            x, y = np.array(curve.points, dtype=float).T
            panel.plot(x, y, color=colour)
            panel.scatter(x, y, color=colour, s=24, zorder=3, linewidths=0, gid=curve.label)
            titles[curve.label] = [f"{curve.label}: {y:.4g} at {x:g}" for x, y in curve.points]
        for colour, curve, y in zip(SERIES, curves, _apart(panel, curves), strict=False):
            panel.annotate(
                curve.label,
                (curve.points[-1][0], y),
                (9, 0),
                textcoords="offset points",
                color=colour,
                va="center",
                annotation_clip=False,
            )
        if marked_x is not None:
            panel.axvline(marked_x, color=AXIS, lw=1.2, ls=(0, (4, 4)))
        panel.set_title(y_title, fontsize=12, color=MUTED)
        panel.set_xlabel(x_title)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(axis="x", visible=False)
    return Chart(figure, titles)


def _apart(panel: Axes, curves: Sequence[Curve]) -> list[float]:
    """Heights of the curves' names: at their ends, and a line of text from one another."""
    ends = [curve.points[-1][1] for curve in curves]
    low, high = panel.get_ylim()
    least, last = 0.075 * (high - low), -np.inf
    for at in np.argsort(ends):
        ends[at] = last = max(ends[at], last + least)
    return ends


def point_map(points: np.ndarray, colours: np.ndarray, labels: Sequence[str], titles: Sequence[str]) -> Chart:
    """Points of the plane, float (n, 2), in equal scales, each with its title. colours: int (n,), number of a point's
    label; len(labels) for what has no colour of its own."""
    shown = {}
    with drawing(980, 640) as figure:
        (panel,) = panels(figure, 1)
        for number in (len(labels), *range(len(labels))):  # the coloured ones on top
            chosen = np.flatnonzero(colours == number)
            if len(chosen):
                colour = SERIES[number] if number < len(labels) or not labels else OTHER
                label = [*labels, "all others"][number]
                x, y = points[chosen].T
                panel.scatter(x, y, color=colour, s=30, alpha=0.78, linewidths=0, gid=f"{number}", label=label)
                shown[f"{number}"] = [titles[at] for at in chosen.tolist()]
        panel.set_aspect("equal")
        panel.set_axis_off()
        if labels:
            handles, names = panel.get_legend_handles_labels()
            if names[0] not in labels:  # what has no colour of its own is drawn first and named last
                handles, names = [*handles[1:], handles[0]], [*names[1:], names[0]]
            figure.legend(handles, names, loc="outside upper left", ncols=5, labelcolor=MUTED)
    return Chart(figure, shown)
