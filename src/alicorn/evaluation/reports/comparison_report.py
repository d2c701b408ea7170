"""A comparison as Markdown, JSON and a chart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alicorn.evaluation.metrics.bootstrap import CONFIDENCE, Interval
from alicorn.evaluation.metrics.comparison import Comparison
from alicorn.evaluation.reports.charts import interval_chart
from alicorn.reporting.figure import Chart
from alicorn.reporting.json_text import to_json
from alicorn.reporting.markdown import table

SIMULATION = "Simulation: these searches come from a generated world and say nothing about real people."


def write_report(
    comparison: Comparison,
    folder: str | Path,
    *,
    title: str,
    name: str = "report",
    notes: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write NAME.md, NAME.json and NAME.svg into the folder and return the three paths.

    notes: sentences under the title, such as SIMULATION. facts: further entries of the JSON file. The same
    comparison gives the same bytes.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in ("md", "json", "svg")]
    paths[0].write_text(markdown(comparison, title=title, notes=notes), encoding="utf-8")
    content = {"title": title, "notes": list(notes), **(facts or {}), **comparison.to_dict()}
    paths[1].write_text(to_json(content, indent=1) + "\n", encoding="utf-8")
    chart(comparison, title=title, notes=notes).write(paths[2], title)
    return paths


def markdown(comparison: Comparison, *, title: str, notes: Sequence[str] = ()) -> str:
    """The whole report: one table per segment, then the paired differences to the baseline."""
    interval_rule = f"Mean over searches [{CONFIDENCE:.0%} bootstrap interval over searches]."
    left_out = comparison.num_without_targets
    parts = [f"# {title}", *notes, interval_rule]
    if left_out:
        parts.append(f"Left out: {left_out:,} searches without a relevant document.")
    for segment, count in comparison.segments.items():
        parts.append(f"## {segment} ({count:,} searches)")
        parts.append(segment_table(comparison, segment))
    if comparison.baseline is not None and len(comparison.systems) > 1:
        parts.append(f"## Paired difference to {comparison.baseline}")
        parts.append("The same searches, system minus baseline; **bold** where the interval excludes 0.")
        parts.append(difference_table(comparison))
    return "\n\n".join(parts) + "\n"


def segment_table(comparison: Comparison, segment: str) -> str:
    """Markdown: one row per system, one column per measure."""
    rows = [
        [system, *(_cell(comparison.means[segment, system, measure]) for measure in comparison.measures)]
        for system in comparison.systems
    ]
    return table(["system", *comparison.measures], rows)


def difference_table(comparison: Comparison) -> str:
    """Markdown: one row per segment and system."""
    rows = []
    for segment in comparison.segments:
        for system in comparison.systems:
            if system != comparison.baseline:
                cells = [comparison.differences[segment, system, measure] for measure in comparison.measures]
                rows.append([segment, system, *(_difference_cell(cell) for cell in cells)])
    return table(["segment", "system", *comparison.measures], rows)


def chart(comparison: Comparison, *, title: str, notes: Sequence[str] = ()) -> Chart:
    """One panel per measure, one line per segment, one dot with its interval per system."""
    rows = [f"{segment} ({count:,})" for segment, count in comparison.segments.items()]
    panels = {
        measure: {
            system: [comparison.mean(system, measure, segment) for segment in comparison.segments]
            for system in comparison.systems
        }
        for measure in comparison.measures
    }
    return interval_chart(rows, panels, -0.02, "\n".join([title, *notes]))


def _cell(cell: Interval) -> str:
    return "-" if np.isnan(cell.mean) else f"{cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]"


def _difference_cell(cell: Interval) -> str:
    if np.isnan(cell.mean):
        return "-"
    text = f"{cell.mean:+.3f} [{cell.low:+.3f}, {cell.high:+.3f}]"
    return f"**{text}**" if cell.excludes_zero else text
