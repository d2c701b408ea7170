"""A Comparison as Markdown, JSON and a plot. The last step of evaluation/; the files say what they measure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alicorn.evaluation.metrics.bootstrap import CONFIDENCE, Interval
from alicorn.evaluation.metrics.comparison import Comparison
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
    """Write NAME.md, NAME.json and NAME.png into the folder and return the three paths.

    notes: sentences that stand under the title, such as SIMULATION. facts: further entries of the JSON file. The same
    comparison gives the same bytes of Markdown and JSON.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in ("md", "json", "png")]
    paths[0].write_text(markdown(comparison, title=title, notes=notes), encoding="utf-8")
    content = {"title": title, "notes": list(notes), **(facts or {}), **comparison.to_dict()}
    paths[1].write_text(to_json(content, indent=1) + "\n", encoding="utf-8")
    draw(comparison, paths[2], title=title, notes=notes)
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


def draw(comparison: Comparison, path: Path, *, title: str, notes: Sequence[str] = ()) -> None:
    """One panel per measure; one line per segment; one dot with its interval per system. Writes a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    segments, systems = list(comparison.segments), comparison.systems
    height = 1.6 + 0.22 * len(segments) * (len(systems) + 1)
    figure = Figure(figsize=(3.4 * len(comparison.measures) + 1.6, height), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(comparison.measures), sharey=True, squeeze=False)[0]
    offsets = np.linspace(-0.36, 0.36, len(systems)) if len(systems) > 1 else np.zeros(1)
    for panel, measure in zip(panels, comparison.measures, strict=True):
        for system, offset in zip(systems, offsets, strict=True):
            cells = [comparison.means[segment, system, measure] for segment in segments]
            means = np.array([cell.mean for cell in cells])
            spread = np.array([[c.mean - c.low for c in cells], [c.high - c.mean for c in cells]])
            panel.errorbar(
                means,
                np.arange(len(segments)) + offset,
                xerr=np.maximum(spread, 0),
                fmt="o",
                ms=4,
                lw=1.2,
                label=system,
            )
        panel.set_title(measure, fontsize=10)
        panel.set_xlim(-0.02, 1.02)
        panel.grid(axis="x", alpha=0.3)
        for border in np.arange(len(segments) - 1) + 0.5:
            panel.axhline(border, color="0.85", lw=0.8)
    labels = [f"{segment} ({count:,})" for segment, count in comparison.segments.items()]
    panels[0].set_yticks(np.arange(len(segments)), labels)
    panels[0].set_ylim(len(segments) - 0.5, -0.5)
    figure.suptitle("\n".join([title, *notes]), fontsize=10)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(systems), 4))
    figure.savefig(path, dpi=130, metadata={"Software": None})


def _cell(cell: Interval) -> str:
    return "-" if np.isnan(cell.mean) else f"{cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]"


def _difference_cell(cell: Interval) -> str:
    if np.isnan(cell.mean):
        return "-"
    text = f"{cell.mean:+.3f} [{cell.low:+.3f}, {cell.high:+.3f}]"
    return f"**{text}**" if cell.excludes_zero else text
