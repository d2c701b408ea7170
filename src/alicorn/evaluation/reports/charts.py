"""Numbers -> inline SVG, as strings: lines, intervals, a map of points. No script, no network.

Colours are the variables s0 to s8 of page.css and lines its classes, so that a chart follows the light or dark page
that it stands in. Coordinates are pixels of the drawing, y downwards.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from alicorn.evaluation.metrics.bootstrap import Interval

_ROW = 26
_LABELS = 190  # width of the row labels


@dataclass(frozen=True)
class Line:
    """One curve. points: (x, y). colour: s0 to s8."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: str


def line_chart(lines: Sequence[Line], x_title: str, y_title: str, marked_x: float | None = None) -> str:
    """Curves over one x, each named at its end; a broken vertical line at `marked_x`."""
    width, height, left, right, top, bottom = 520, 270, 52, 92, 26, 40
    xs = [x for line in lines for x, _ in line.points]
    x_of, x_ticks = _scale(min(xs), max(xs), left, width - right, whole=True)
    ys = [y for line in lines for _, y in line.points]
    y_of, y_ticks = _scale(min(ys), max(ys), height - bottom, top)
    parts = [_text(8, 14, y_title, "muted")]
    for tick in y_ticks:
        parts.append(_segment(left, y_of(tick), width - right, y_of(tick), "grid"))
        parts.append(_text(left - 8, y_of(tick) + 4, f"{tick:.4g}", "tick end"))
    for tick in x_ticks:
        parts.append(_text(x_of(tick), height - bottom + 18, f"{tick:g}", "tick middle"))
    parts.append(_text((left + width - right) / 2, height - 6, x_title, "muted middle"))
    if marked_x is not None:
        parts.append(_segment(x_of(marked_x), top, x_of(marked_x), height - bottom, "mark"))
    ends = _apart([y_of(line.points[-1][1]) for line in lines], 14)
    for line, end in zip(lines, ends, strict=True):
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline class="curve" style="stroke: var(--{line.colour})" points="{path}"/>')
        for x, y in line.points:
            parts.append(_dot(x_of(x), y_of(y), 3.2, line.colour, f"{line.label}: {y:.4g} at {x:g}"))
        parts.append(_text(x_of(line.points[-1][0]) + 9, end + 4, line.label, "", line.colour))
    return _svg(width, height, parts, f"{y_title} over {x_title}")


def interval_chart(
    rows: Sequence[tuple[str, Sequence[tuple[Interval, str]]]],
    low: float,
    high: float,
    linear_below: float | None = None,
) -> str:
    """A row per label; in it dots with their intervals, one above the other, each with its colour.

    low, high: ends of the axis. linear_below: the axis is logarithmic beyond this distance from 0.
    """
    width, top = 720, 22
    height = top + _ROW * len(rows) + 8
    bend = _linear if linear_below is None else _bend(linear_below)
    span = bend(high) - bend(low)

    def x_of(value: float) -> float:
        return _LABELS + (bend(min(max(value, low), high)) - bend(low)) / span * (width - _LABELS - 20)

    ticks = _ticks(low, high) if linear_below is None else [0.0, linear_below, 10 * linear_below, 1.0]
    parts = []
    for tick in ticks:
        parts.append(_segment(x_of(tick), top - 4, x_of(tick), height - 8, "axis" if tick == 0 else "grid"))
        parts.append(_text(x_of(tick), 12, f"{tick:g}", "tick middle"))
    for at, (label, cells) in enumerate(rows):
        middle = top + _ROW * (at + 0.5)
        parts.append(_text(_LABELS - 12, middle + 4, label, "label end"))
        for number, (cell, colour) in enumerate(cells):
            if math.isnan(cell.mean):
                continue
            y = middle + (number - (len(cells) - 1) / 2) * 8
            title = f"{label}: {cell.mean:.4f} [{cell.low:.4f}, {cell.high:.4f}]"
            parts.append(_segment(x_of(cell.low), y, x_of(cell.high), y, "whisker", colour))
            parts.append(_dot(x_of(cell.mean), y, 4, colour, title))
    return _svg(width, height, parts, "means with their intervals")


def point_map(points: np.ndarray, colours: Sequence[int], titles: Sequence[str]) -> str:
    """Points of the plane, float (n, 2), each with the number of its colour and what it is. Equal scales."""
    width, height, margin = 720, 500, 12
    low, high = points.min(axis=0), points.max(axis=0)
    scale = min((width - 2 * margin) / (high[0] - low[0] or 1), (height - 2 * margin) / (high[1] - low[1] or 1))
    centre = (low + high) / 2
    x = width / 2 + (points[:, 0] - centre[0]) * scale
    y = height / 2 - (points[:, 1] - centre[1]) * scale
    parts = [
        _dot(float(px), float(py), 3, f"s{colour}", title)
        for px, py, colour, title in zip(x, y, colours, titles, strict=True)
    ]
    return _svg(width, height, parts, "documents in the plane of their first two principal components", "map")


def legend(labels: Mapping[str, str]) -> str:
    """label -> colour."""
    return "".join(
        f'<span class="key"><i class="swatch" style="background: var(--{colour})"></i>{escape(label)}</span>'
        for label, colour in labels.items()
    )


def _svg(width: int, height: int, parts: Sequence[str], label: str, kind: str = "chart") -> str:
    head = f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
    return head + "".join(parts) + "</svg>"


def _text(x: float, y: float, text: str, classes: str, colour: str | None = None) -> str:
    painted = "" if colour is None else f' style="fill: var(--{colour})"'
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}"{painted}>{escape(text)}</text>'


def _segment(x1: float, y1: float, x2: float, y2: float, classes: str, colour: str | None = None) -> str:
    painted = "" if colour is None else f' style="stroke: var(--{colour})"'
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{classes}"{painted}/>'


def _dot(x: float, y: float, radius: float, colour: str, title: str) -> str:
    """With what a pointer on it shows."""
    style = f"fill: var(--{colour})"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" style="{style}"><title>{escape(title)}</title></circle>'


def _scale(low: float, high: float, start: float, stop: float, whole: bool = False):  # type: ignore[no-untyped-def]
    """(value -> pixel, ticks) for an axis a little longer than the values."""
    if high == low:
        low, high = low - 0.5, high + 0.5
    pad = 0.0 if whole else (high - low) * 0.06
    low, high = low - pad, high + pad
    ticks = _ticks(low, high)
    return (lambda value: start + (value - low) / (high - low) * (stop - start)), (
        [tick for tick in ticks if tick == int(tick)] if whole else ticks
    )


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between the ends: 4 to 8 of them."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 8)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _apart(places: Sequence[float], least: float) -> list[float]:
    """The places, moved so that no two are nearer than `least`, in their order."""
    moved = list(places)
    last = -math.inf
    for at in np.argsort(places):
        moved[at] = last = max(places[at], last + least)
    return moved


def _linear(value: float) -> float:
    return value


def _bend(linear_below: float):  # type: ignore[no-untyped-def]
    """Linear up to a distance of 0, logarithmic beyond: a decade is as wide as the linear part."""

    def bend(value: float) -> float:
        size = abs(value) / linear_below
        return math.copysign(size if size <= 1 else 1 + math.log10(size), value)

    return bend
