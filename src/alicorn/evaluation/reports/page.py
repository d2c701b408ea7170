"""`alicorn evaluate --report`: what a model learned, and how far to trust it, on one HTML page that opens offline.

Everything is inside the file: style (page.css), charts (charts.py, inline SVG), no script. The same model, searches and
seed give the same bytes. Sections: provenance, training, recall by segment, through the index, features, examples, map.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.bootstrap import CONFIDENCE, Interval
from alicorn.evaluation.metrics.comparison import Comparison
from alicorn.evaluation.reports.ablation import Ablation
from alicorn.evaluation.reports.channel_weights import channel_weights
from alicorn.evaluation.reports.charts import Line, interval_chart, legend, line_chart, point_map
from alicorn.evaluation.reports.comparison_report import SIMULATION
from alicorn.evaluation.reports.embedding_map import NUM_COLOURS, check_column, default_column, embedding_map
from alicorn.evaluation.reports.examples import Encoded, Example, Found, wrong_and_right
from alicorn.evaluation.reports.recall import EXACT, INDEX, Evaluation
from alicorn.evaluation.searches import Searches
from alicorn.towers import AnyModel, Ensemble

_SECTIONS = {
    "provenance": "Provenance",
    "training": "Training",
    "segments": "Recall by segment",
    "index": "Through the index",
    "features": "What each feature is worth",
    "examples": "Wrong and right",
    "map": "Map of the embedding",
}


@dataclass(frozen=True)
class Measured:
    """What was measured of a model. folder: its model folder. map_by: column that colours the map; None: the first id
    feature of documents."""

    model: AnyModel
    folder: Path
    searches: Searches
    evaluation: Evaluation
    ablation: Ablation
    map_by: str | None = None
    seed: int = 0


def check_page(path: Path, searches: Searches, map_by: str | None) -> None:
    """Raise ConfigError where the file cannot stand there, or documents have no column to colour the map by."""
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{path}: give a file to write, in a folder that exists")
    if map_by is not None:
        check_column(searches.documents, map_by)


def page(measured: Measured) -> str:
    """The whole document."""
    model, evaluation = measured.model, measured.evaluation
    comparison = evaluation.comparison
    middle = comparison.measures[len(comparison.measures) // 2]
    k = int(middle.partition("@")[2])
    encoded = Encoded(
        evaluation.runs[EXACT],
        model.encode_requests(measured.searches.requests),
        model.encode_documents(measured.searches.documents),
    )
    history = _json(measured.folder / "history.json")
    bodies = {
        "provenance": _provenance(measured, history),
        "training": _training(model, history),
        "segments": _segments(comparison, middle),
        "index": _index(evaluation, middle),
        "features": _features(measured.ablation) + _channels(measured),
        "examples": _examples(measured, encoded, k),
        "map": _map(measured, encoded.documents),
    }
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in _SECTIONS.items())
    sections = "".join(
        f'<section><h2 id="{name}">{title}</h2>{bodies[name]}</section>' for name, title in _SECTIONS.items()
    )
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    title = f"{model.vertical.name} / {model.key}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}: model report</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head><body><main><header><h1>{escape(title)}</h1>"
        f'<p class="lead">{_headline(measured)}</p>{_warning(measured.searches)}<nav>{links}</nav>'
        f"{_tiles(evaluation)}</header>{sections}</main></body></html>\n"
    )


# -- head


def _headline(measured: Measured) -> str:
    model, facts = measured.model, measured.evaluation.facts
    kind = f"Ensemble of {len(model.members)} models" if isinstance(model, Ensemble) else "Two-tower model"
    return (
        f"{kind}, {model.dim} dimensions, measured on {facts['num_searches']:,} searches of the"
        f" {escape(facts['split'])} split over {facts['num_documents']:,} documents."
    )


def _warning(searches: Searches) -> str:
    return f'<p class="note">{escape(SIMULATION)}</p>' if searches.simulated else ""


def _tiles(evaluation: Evaluation) -> str:
    tiles = []
    for measure in evaluation.comparison.measures:
        cell = evaluation.comparison.mean(EXACT, measure)
        tiles.append(_tile(measure, f"{cell.mean:.3f}", f"{cell.low:.3f} to {cell.high:.3f}"))
    for measure, ratio in list(evaluation.ratios.items())[-1:]:
        tiles.append(_tile(f"kept through the index, {measure}", f"{ratio:.1%}", "of exact search"))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _tile(name: str, value: str, beneath: str) -> str:
    return (
        f'<div class="card tile"><div class="name">{escape(name)}</div><div class="value">{value}</div>'
        f'<div class="range">{beneath}</div></div>'
    )


# -- sections


def _provenance(measured: Measured, history: Mapping[str, Any]) -> str:
    model, header = measured.model, _json(measured.folder / "model.json")
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
    rows = "".join(f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>" for name, value in facts.items())
    return (
        "<p>Equal fingerprints mean equal content: of weights and features (model), of vertical.yaml without what acts"
        f' only at serving, of the log tables (data), of recipe.yaml.</p><div class="card"><dl>{rows}</dl>'
        f"{_recipes(model)}</div>"
    )


def _recipes(model: AnyModel) -> str:
    members = model.members if isinstance(model, Ensemble) else [model]
    parts = []
    for member in members:
        if not isinstance(member, Ensemble):
            text = yaml.safe_dump(dict(member.recipe), sort_keys=False, allow_unicode=True)
            parts.append(
                f"<details><summary>recipe.yaml of {escape(member.key)}</summary><pre>{escape(text)}</pre></details>"
            )
    return "".join(parts)


def _training(model: AnyModel, history: Mapping[str, Any]) -> str:
    if isinstance(model, Ensemble):
        return _weights(history)
    epochs = history.get("epochs", [])
    if not epochs:
        return "<p>The model folder holds no history.json, so that nothing is known of its training.</p>"
    best = history.get("best_epoch")
    recalls = [
        Line(
            f"recall@{k}", [(epoch["number"], epoch["recall"][k]) for epoch in epochs if k in epoch["recall"]], f"s{at}"
        )
        for at, k in enumerate(epochs[-1]["recall"])
    ]
    losses = [(epoch["number"], epoch["loss"]) for epoch in epochs if epoch["loss"] is not None]
    charts = [line_chart(recalls, "epoch", "recall on the valid split", best)] if recalls else []
    charts += [line_chart([Line("loss", losses, "s0")], "epoch", "mean loss", best)] if losses else []
    cards = "".join(f'<div class="card">{chart}</div>' for chart in charts)
    seconds = sum(epoch["seconds"] for epoch in epochs)
    kept = "" if best is None else f" The broken line marks epoch {best}, whose weights the model has."
    return f'<p>Epoch 0 is before training. {seconds:,.0f} seconds in all.{kept}</p><div class="two">{cards}</div>'


def _weights(history: Mapping[str, Any]) -> str:
    tried = history.get("tried", [])
    if not tried:
        return "<p>The model folder holds no history.json, so that nothing is known of the search of its weights.</p>"
    k, last = history["k"], len(tried[0]["weights"]) - 1
    line = [(float(np.log2(one["weights"][last])), one["recall"]) for one in tried]
    chart = line_chart([Line(f"recall@{k}", sorted(line), "s0")], "log2 of the last member's weight", f"recall@{k}")
    rows = [[", ".join(f"{w:.4g}" for w in one["weights"]), f"{one['recall']:.4f}"] for one in tried]
    shown = f'<div class="card">{chart}</div>' if last == 1 else ""
    tried = _table(["weights", f"recall@{k}"], rows)
    return (
        f"<p>Weights are chosen on {history['validation_searches']:,} searches of the valid split; the first is 1.</p>"
        f"{shown}<details><summary>all weights that were tried</summary>{tried}</details>"
    )


def _segments(comparison: Comparison, middle: str) -> str:
    rows = [
        (_named(comparison, segment), [(comparison.mean(EXACT, middle, segment), "s0")])
        for segment in comparison.segments
    ]
    header = ["segment", "searches", *comparison.measures]
    cells = [
        [segment, f"{count:,}", *(_cell(comparison.mean(EXACT, measure, segment)) for measure in comparison.measures)]
        for segment, count in comparison.segments.items()
    ]
    low = min(cell.low for _, row in rows for cell, _ in row if not np.isnan(cell.low))
    chart = interval_chart(rows, max(0.0, low - 0.05), 1.0)
    return (
        f"<p>{middle} by exact search over the whole corpus, with {CONFIDENCE:.0%} bootstrap intervals over searches. A"
        f' search may belong to several segments.</p><div class="card">{chart}'
        f"<details><summary>all measures</summary>{_table(header, cells)}</details></div>"
    )


def _index(evaluation: Evaluation, middle: str) -> str:
    comparison = evaluation.comparison
    if INDEX not in comparison.systems:
        return (
            "<p>Not measured: give the collection that was published with this model, by <code>--collection</code>.</p>"
        )
    where = (
        "in all clusters"
        if evaluation.facts["nprobe"] is None
        else f"in the {evaluation.facts['nprobe']} nearest clusters"
    )
    rows = [
        (
            _named(comparison, segment),
            [(comparison.mean(EXACT, middle, segment), "s0"), (comparison.mean(INDEX, middle, segment), "s1")],
        )
        for segment in comparison.segments
    ]
    lost = [
        [measure, _cell(comparison.mean(EXACT, measure)), _cell(comparison.mean(INDEX, measure)),
         _cell(comparison.difference(INDEX, measure), "+"), f"{evaluation.ratios[measure]:.3f}"]
        for measure in comparison.measures
    ]  # fmt: skip
    low = min(cell.low for _, row in rows for cell, _ in row if not np.isnan(cell.low))
    return (
        f"<p>The same searches through the collection's coarse and fine quantizers, {where}. A better model by exact"
        " search may be the worse one here.</p>"
        f'<div class="card"><div class="legend">{legend({"exact search": "s0", "quantized index": "s1"})}</div>'
        f"{interval_chart(rows, max(0.0, low - 0.05), 1.0)}"
        f"{_table(['', 'exact', 'index', 'paired difference', 'ratio'], lost)}</div>"
    )


def _features(ablation: Ablation) -> str:
    measures = ablation.comparison.measures
    middle = measures[len(measures) // 2]
    rows = [
        (feature, [(ablation.loss(feature, middle), "s0" if feature.startswith("request.") else "s1")])
        for feature in ablation.features
    ]
    low = min([-0.01, *(cell.low for _, row in rows for cell, _ in row)])
    done = "made unknown" if ablation.how == "zero" else "exchanged with those of other rows"
    cells = [
        [feature, *(_cell(ablation.loss(feature, measure), "+") for measure in measures)]
        for feature in ablation.features
    ]
    return (
        f"<p>{middle} lost when one feature's values are {done}, paired over the same searches. The axis is logarithmic"
        " beyond 0.01. The model is not trained again: a feature that others could replace still counts in full.</p>"
        f'<div class="card"><div class="legend">{legend({"request": "s0", "document": "s1"})}</div>'
        f"{interval_chart(rows, low, 1.0, linear_below=0.01)}"
        f"<details><summary>all measures</summary>{_table(['feature', *measures], cells)}</details>"
        f"<details><summary>{middle} lost, by segment</summary>{_heat(ablation, middle)}</details></div>"
    )


def _channels(measured: Measured) -> str:
    """Of a model fused by attention what each channel counts."""
    weights = channel_weights(measured.model, measured.searches)
    if weights is None or not weights.requests:
        return ""
    return (
        "<p>Mean weight of each channel in the attention that fuses a request's channels, also by the number of words."
        f'</p><div class="card">{_table(*weights.rows())}</div>'
    )


def _heat(ablation: Ablation, measure: str) -> str:
    """Features by segments; the more is lost the warmer, on the chart's scale."""
    segments = list(ablation.comparison.segments)
    head = "".join(f"<th>{escape(segment)}</th>" for segment in ["feature", *segments])
    body = []
    for feature in ablation.features:
        cells = [ablation.loss(feature, measure, segment).mean for segment in segments]
        shades = [0 if np.isnan(cell) or cell <= 0 else min(60.0, 20 * np.log10(1 + 1000 * cell)) for cell in cells]
        tds = "".join(
            f'<td class="heat" style="--v: {shade:.0f}">{cell:+.3f}</td>'
            for cell, shade in zip(cells, shades, strict=True)
        )
        body.append(f"<tr><td>{escape(feature)}</td>{tds}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _examples(measured: Measured, encoded: Encoded, k: int) -> str:
    pairs = wrong_and_right(measured.searches, encoded, measured.model.vertical, k, seed=measured.seed)
    if not pairs:
        return f"<p>Every search found a target among its first {k} documents.</p>"
    cards = []
    for wrong, right, cosine in pairs:
        beside = (
            '<div class="small">no search went right</div>' if right is None else _example(right, "good", "found first")
        )
        near = "" if right is None else f'<div class="small">nearest search that went right, cosine {cosine:.3f}</div>'
        cards.append(
            f'<div class="card pair"><div>{_example(wrong, "bad", f"no target in the first {k}")}</div>'
            f"<div>{beside}{near}</div></div>"
        )
    return (
        "<p>Left, a search that did not find what its searcher chose; right, the nearest search, by cosine of the"
        f" request vectors, that found it first. Drawn at random, the segments in turn.</p>{''.join(cards)}"
    )


def _example(example: Example, kind: str, verdict: str) -> str:
    searcher = ", ".join(example.searcher.values()) or "unknown"
    seen = {found.doc_id for found in example.found}
    shown = [*example.found, *(target for target in example.targets if target.doc_id not in seen)]
    items = "".join(map(_found, shown))
    return (
        f'<div class="head"><span class="query">{escape(example.query) or "(no words)"}</span>'
        f'<span class="verdict {kind}">{escape(verdict)}</span></div>'
        f'<div class="small">{escape(", ".join(example.segments))}</div>'
        f'<div class="small">searcher: {escape(searcher)}</div><ol class="found">{items}</ol>'
    )


def _found(found: Found) -> str:
    rank = f"#{found.rank}" if found.rank else "beyond"
    name, *rest = [*found.known.values()] or [found.doc_id]
    beside = f' <span class="small">{escape(", ".join(rest))}</span>' if rest else ""
    label = f'<span class="{"target" if found.is_target else "other"}">{escape(name)}</span>'
    mark = ' <span class="small">wanted</span>' if found.is_target else ""
    return (
        f'<li><span class="rank">{rank}</span><span>{label}{mark}{beside}</span>'
        f'<span class="cosine">{found.cosine:.3f}</span></li>'
    )


def _map(measured: Measured, documents: np.ndarray) -> str:
    column = measured.map_by or default_column(measured.model.vertical)
    drawn = embedding_map(documents, measured.searches.documents, column, measured.seed)
    shown = measured.searches.documents.take(drawn.rows)
    names = [feature.column for feature in measured.model.vertical.document.features.values() if feature.kind == "text"]
    columns = [
        name for name in dict.fromkeys([*names[:1], *([column] if column else [])]) if name in shown.column_names
    ]
    titles = [
        ", ".join(str(value) for value in row.values() if value is not None)
        for row in shown.select(columns).to_pylist()
    ]
    keys = {label: f"s{at}" for at, label in enumerate(drawn.labels)}
    if drawn.column is not None and (drawn.colours == NUM_COLOURS).any():
        keys["all others"] = f"s{NUM_COLOURS}"
    order = np.argsort(-drawn.colours, kind="stable")  # the coloured ones on top
    first, second = drawn.explained
    by = f", coloured by {column}" if column else ""
    chart = point_map(drawn.points[order], drawn.colours[order].tolist(), [titles[at] for at in order])
    return (
        f"<p>{len(drawn.points):,} documents in the plane of their first two principal components, which hold"
        f" {first:.1%} and {second:.1%} of the variance{escape(by)}. Groups that lie apart here are apart;"
        ' groups that overlap may still be apart in the other dimensions.</p><div class="card">'
        f'<div class="legend">{legend(keys)}</div>{chart}</div>'
    )


# -- small parts


def _named(comparison: Comparison, segment: str) -> str:
    return f"{segment} ({comparison.segments[segment]:,})"


def _cell(cell: Interval, sign: str = "") -> str:
    if np.isnan(cell.mean):
        return "-"
    return f'{cell.mean:{sign}.3f} <span class="range">{cell.low:{sign}.3f} to {cell.high:{sign}.3f}</span>'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML; the first of a row is text."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr><td>{escape(row[0])}</td>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
