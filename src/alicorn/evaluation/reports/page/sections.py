"""The contents of each section of the page: plain values for its template, and charts as SVG."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from markupsafe import Markup

from alicorn.evaluation.metrics.bootstrap import Interval
from alicorn.evaluation.metrics.comparison import Comparison
from alicorn.evaluation.reports.ablation import Ablation
from alicorn.evaluation.reports.channel_weights import channel_weights
from alicorn.evaluation.reports.charts import Curve, curve_chart, interval_chart, point_map
from alicorn.evaluation.reports.page.embedding_map import default_column, embedding_map
from alicorn.evaluation.reports.recall import EXACT, INDEX, RecallReport
from alicorn.evaluation.searches import Searches
from alicorn.reporting.figure import AXIS, INK, LINE, MUTED, OTHER, SERIES, Chart
from alicorn.towers import AnyModel, Ensemble, Model

_VARIABLES = {INK: "--fg", MUTED: "--muted", LINE: "--line", AXIS: "--strong", OTHER: "--other"}
_VARIABLES |= {colour: f"--s{number}" for number, colour in enumerate(SERIES)}


@dataclass(frozen=True)
class MeasuredModel:
    """A model and what was measured of it. folder: its model folder. map_by: column that colours the map; None: the
    first id feature of documents."""

    model: AnyModel
    folder: Path
    searches: Searches
    recall: RecallReport
    ablation: Ablation
    map_by: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Cell:
    """A text of a table, and its interval where it is a mean."""

    text: str
    range: str = ""


@dataclass(frozen=True)
class Table:
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def tiles(report: RecallReport) -> list[dict[str, str]]:
    """The figures at the head of the page."""
    shown = []
    for measure in report.comparison.measures:
        mean = report.comparison.mean(EXACT, measure)
        shown.append({"name": measure, "value": f"{mean.mean:.3f}", "beneath": f"{mean.low:.3f} to {mean.high:.3f}"})
    for measure, ratio in list(report.ratios.items())[-1:]:
        name = f"kept through the index, {measure}"
        shown.append({"name": name, "value": f"{ratio:.1%}", "beneath": "of exact search"})
    return shown


def provenance(measured: MeasuredModel) -> dict[str, str]:
    """Name -> fingerprint or count."""
    model, header, history = measured.model, _json(measured.folder / "model.json"), _history(measured)
    facts = {
        "model": model.fingerprint,
        "embedding key": model.key,
        "vertical": f"{model.vertical.name}, {model.vertical.fingerprint()}",
        "data": model.data,
        "recipe": str(history.get("made_from", {}).get("recipe", "not recorded")),
        "made by": f"alicorn {header.get('alicorn', 'unknown')}",
        "training pairs": f"{history['pairs']:,}" if "pairs" in history else "not recorded",
        "validation searches": f"{history['validation_searches']:,}" if "validation_searches" in history else "none",
    }
    if isinstance(model, Ensemble):
        del facts["recipe"], facts["training pairs"]
        for weight, member in zip(model.weights, model.members, strict=True):
            facts[f"member of weight {weight:.4g}"] = f"{member.fingerprint} ({member.key}, {member.dim} dimensions)"
    return facts


def recipes(model: AnyModel) -> list[tuple[str, str]]:
    """(embedding key, recipe as YAML) of the model, or of each member of an ensemble."""
    members = model.members if isinstance(model, Ensemble) else (model,)
    return [
        (member.key, yaml.safe_dump(dict(member.recipe), sort_keys=False, allow_unicode=True))
        for member in members
        if isinstance(member, Model)
    ]


def training(measured: MeasuredModel) -> dict[str, Any] | None:
    """Curves over epochs, or of an ensemble the weights that were tried. None: nothing is known."""
    history = _history(measured)
    if isinstance(measured.model, Ensemble):
        return _tried_weights(history)
    epochs = history.get("epochs", [])
    if not epochs:
        return None
    best = history.get("best_epoch")
    recalls = [
        Curve(f"recall@{k}", [(epoch["number"], epoch["recall"][k]) for epoch in epochs if k in epoch["recall"]])
        for k in epochs[-1]["recall"]
    ]
    losses = [(epoch["number"], epoch["loss"]) for epoch in epochs if epoch["loss"] is not None]
    charts = []
    if recalls:
        charts.append(
            _svg(curve_chart(recalls, "epoch", "recall on the valid split", best), "recall", "recall by epoch")
        )
    if losses:
        charts.append(_svg(curve_chart([Curve("loss", losses)], "epoch", "mean loss", best), "loss", "loss by epoch"))
    seconds = sum(epoch["seconds"] for epoch in epochs)
    return {"weights": None, "charts": charts, "seconds": seconds, "best_epoch": best}


def _tried_weights(history: Mapping[str, Any]) -> dict[str, Any] | None:
    tried = history.get("tried", [])
    if not tried:
        return None
    k, chart = history["k"], None
    if len(tried[0]["weights"]) == 2:
        points = sorted((float(np.log2(one["weights"][1])), one["recall"]) for one in tried)
        drawn = curve_chart([Curve(f"recall@{k}", points)], "log2 of the second member's weight", f"recall@{k}")
        chart = _svg(drawn, "weights", "recall by weight")
    rows = [[Cell(", ".join(f"{w:.4g}" for w in one["weights"])), Cell(f"{one['recall']:.4f}")] for one in tried]
    weights = Table(["weights", f"recall@{k}"], rows)
    return {"weights": weights, "chart": chart, "searches": history["validation_searches"]}


def segments(comparison: Comparison, middle: str) -> dict[str, Any]:
    """A chart of one measure, and a table of all."""
    rows = [
        [
            Cell(segment),
            Cell(f"{count:,}"),
            *(_cell(comparison.mean(EXACT, one, segment)) for one in comparison.measures),
        ]
        for segment, count in comparison.segments.items()
    ]
    series = {EXACT: [comparison.mean(EXACT, middle, segment) for segment in comparison.segments]}
    chart = interval_chart(_named(comparison), {middle: series}, _lowest(series))
    return {
        "chart": _svg(chart, "segments", f"{middle} by segment"),
        "table": Table(["segment", "searches", *comparison.measures], rows),
    }


def index(report: RecallReport, middle: str) -> dict[str, Any] | None:
    """Exact search beside the quantized index. None: not measured."""
    comparison = report.comparison
    if INDEX not in comparison.systems:
        return None
    series = {
        system: [comparison.mean(system, middle, segment) for segment in comparison.segments]
        for system in (EXACT, INDEX)
    }
    rows = [
        [
            *(Cell(measure), _cell(comparison.mean(EXACT, measure)), _cell(comparison.mean(INDEX, measure))),
            *(_cell(comparison.difference(INDEX, measure), "+"), Cell(f"{report.ratios[measure]:.3f}")),
        ]
        for measure in comparison.measures
    ]
    chart = interval_chart(_named(comparison), {middle: series}, _lowest(series))
    return {
        "chart": _svg(chart, "index", f"{middle} by exact search and through the index"),
        "table": Table(["", "exact", "index", "paired difference", "ratio"], rows),
    }


def features(ablation: Ablation, middle: str) -> dict[str, Any]:
    """What is lost without each feature: a chart, a table of all measures, and one of all segments."""
    measures, names = ablation.comparison.measures, list(ablation.comparison.segments)
    rows = [
        [Cell(one), *(_cell(ablation.loss(one, measure), "+") for measure in measures)] for one in ablation.features
    ]
    return {
        "done": "made unknown" if ablation.how == "zero" else "exchanged with those of other rows",
        "chart": _svg(ablation.chart([middle]), "features", f"{middle} lost without each feature"),
        "table": Table(["feature", *measures], rows),
        "segments": names,
        "by_segment": [
            (feature, [_warm(ablation.loss(feature, middle, segment).mean) for segment in names])
            for feature in ablation.features
        ],
    }


def channels(measured: MeasuredModel) -> Table | None:
    """The weight of each channel of a model that fuses by attention."""
    weights = channel_weights(measured.model, measured.searches)
    if weights is None or not weights.requests:
        return None
    header, rows = weights.rows()
    return Table(header, [[Cell(text) for text in row] for row in rows])


def document_map(measured: MeasuredModel, vectors: np.ndarray) -> dict[str, Any]:
    """A sample of the documents in the plane. vectors: float32 (documents, dim)."""
    vertical = measured.model.vertical
    column = measured.map_by or default_column(vertical)
    drawn = embedding_map(vectors, measured.searches.documents, column, measured.seed)
    shown = measured.searches.documents.take(drawn.rows)
    texts = [feature.column for feature in vertical.document.features.values() if feature.kind == "text"]
    wanted = dict.fromkeys([*texts[:1], *([column] if column else [])])
    rows = shown.select([name for name in wanted if name in shown.column_names]).to_pylist()
    titles = [", ".join(str(value) for value in row.values() if value is not None) for row in rows]
    chart = point_map(drawn.points, drawn.colours, drawn.labels, titles)
    return {
        "chart": _svg(chart, "map", "documents in the plane of their first two principal components"),
        "count": len(drawn.points),
        "explained": drawn.explained,
        "column": column,
    }


def _svg(chart: Chart, name: str, label: str) -> Markup:
    """Inline, in the colours of the page: they follow the reader's light or dark setting."""
    text = chart.svg(name, label)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return Markup(text)


def _named(comparison: Comparison) -> list[str]:
    return [f"{segment} ({count:,})" for segment, count in comparison.segments.items()]


def _lowest(series: Mapping[str, Sequence[Interval]]) -> float:
    """Where the axis begins."""
    return max(0.0, min(cell.low for cells in series.values() for cell in cells if not np.isnan(cell.low)) - 0.05)


def _cell(cell: Interval, sign: str = "") -> Cell:
    if np.isnan(cell.mean):
        return Cell("-")
    return Cell(f"{cell.mean:{sign}.3f}", f"{cell.low:{sign}.3f} to {cell.high:{sign}.3f}")


def _warm(loss: float) -> tuple[str, str]:
    """A loss, and how warm its cell is, in per cent: logarithmic, as the chart's axis."""
    warmth = 0.0 if np.isnan(loss) or loss <= 0 else min(60.0, 20 * np.log10(1 + 1000 * loss))
    return f"{loss:+.3f}", f"{warmth:.0f}"


def _history(measured: MeasuredModel) -> dict[str, Any]:
    return _json(measured.folder / "history.json")


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
