"""`alicorn evaluate --ablate`: how much recall is lost without a feature? One side and one feature at a time.

A feature is removed from the table that the model encodes, so that the measure is the same for every model and for an
ensemble: `zero` makes its columns null, which a model reads as unknown; `shuffle` gives each row the values of another
row (seeded), so that the feature looks as usual and carries no information. `zero` measures the recall of rows without
the feature, `shuffle` the information in the feature. Features of one side that read the same column go together. The
model is not trained again: a feature that others could replace after training still counts in full.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.bootstrap import CONFIDENCE, Interval
from alicorn.evaluation.metrics.comparison import OVERALL, Comparison, compare, recall_measures
from alicorn.evaluation.reports.charts import interval_chart
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.runs import embedding_run
from alicorn.reporting.figure import Chart
from alicorn.reporting.json_text import to_json
from alicorn.reporting.markdown import table
from alicorn.retrieval.encoder import search_vectors
from alicorn.towers import AnyModel
from alicorn.vertical import Feature

How = Literal["zero", "shuffle"]
WHOLE = "all features"
_DONE = {"zero": "set to unknown", "shuffle": "shuffled among the rows"}


@dataclass(frozen=True)
class Ablation:
    """comparison: the systems are WHOLE, the baseline, and `request.<feature>` or `document.<feature>` taken away."""

    how: How
    comparison: Comparison
    facts: dict[str, Any]

    @property
    def features(self) -> tuple[str, ...]:
        """Largest loss first, by the middle measure."""
        measures = self.comparison.measures
        middle = measures[len(measures) // 2]
        names = [system for system in self.comparison.systems if system != WHOLE]
        return tuple(sorted(names, key=lambda name: -self.loss(name, middle).mean))

    def loss(self, feature: str, measure: str, segment: str = OVERALL) -> Interval:
        """The loss of the measure without the feature: the paired difference over the same searches."""
        cell = self.comparison.difference(feature, measure, segment)
        return Interval(0.0 - cell.mean, 0.0 - cell.high, 0.0 - cell.low)  # no -0.0

    def to_dict(self) -> dict[str, Any]:
        return {"how": self.how, **self.facts, **self.comparison.to_dict()}

    def markdown(self) -> str:
        """One row per feature: what is lost without it."""
        measures = self.comparison.measures
        rows = [[WHOLE, *(_share(self.comparison.mean(WHOLE, measure)) for measure in measures)]]
        for feature in self.features:
            rows.append([feature, *(_loss(self.loss(feature, measure)) for measure in measures)])
        header = ["feature", *(f"loss of {measure}" for measure in measures)]
        note = (
            f"First row: recall of the whole model. Then the recall lost when a feature is {_DONE[self.how]}, paired"
            f" over the same searches [{CONFIDENCE:.0%} interval]; **bold** where it excludes 0."
        )
        return f"## Without a feature\n\n{note}\n\n{table(header, rows)}\n"

    def chart(self, measures: Sequence[str]) -> Chart:
        """One panel per measure, one line per feature; logarithmic beyond a loss of 0.01, because text is often worth a
        hundred times what the others are."""
        panels = {
            f"loss of {measure}": {
                side: [self.loss(name, measure) if name.startswith(side) else None for name in self.features]
                for side in ("request", "document")
            }
            for measure in measures
        }
        low = min(self.loss(name, measure).low for name in self.features for measure in measures)
        return interval_chart(self.features, panels, low, f"Recall lost when one feature is {_DONE[self.how]}", 0.01)

    def write(self, folder: str | Path) -> list[Path]:
        """Write ablation.md, ablation.json and ablation.svg into the folder; returns their paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"ablation.{ending}" for ending in ("md", "json", "svg")]
        paths[0].write_text(self.markdown(), encoding="utf-8")
        paths[1].write_text(to_json(self.to_dict(), indent=1) + "\n", encoding="utf-8")
        self.chart(self.comparison.measures).write(paths[2], "recall lost without each feature")
        return paths


def ablate(model: AnyModel, searches: Searches, how: How, ks: Sequence[int] = (1, 10, 100), seed: int = 0) -> Ablation:
    """Take away every feature of either side in turn and search the whole corpus again, exactly.

    Raises ConfigError for another `how`.
    """
    if how not in get_args(How):
        raise ConfigError(f"a feature is ablated by {' or '.join(get_args(How))}, got {how!r}")
    requests = search_vectors(model, searches.requests)
    documents = model.encode_documents(searches.documents)
    depth = max(ks)
    runs = {WHOLE: embedding_run(requests, documents, depth)}
    for number, (name, columns) in enumerate(_groups(model.request_features)):
        without = taken_away(searches.requests, columns, how, [seed, 0, number])
        runs[f"request.{name}"] = embedding_run(search_vectors(model, without), documents, depth)
    for number, (name, columns) in enumerate(_groups(model.document_features)):
        without = taken_away(searches.documents, columns, how, [seed, 1, number])
        runs[f"document.{name}"] = embedding_run(requests, model.encode_documents(without), depth)
    comparison = compare(
        runs,
        searches.targets,
        measures=recall_measures(ks),
        segments=searches.segments,
        baseline=WHOLE,
        seed=seed,
    )
    return Ablation(how, comparison, {"model": model.fingerprint, "split": searches.split, "seed": seed})


def taken_away(rows: pa.Table, columns: Sequence[str], how: How, seed: Sequence[int]) -> pa.Table:
    """The table with the columns null in every row, or with the values of other rows, all columns alike."""
    order = pa.array(np.random.default_rng(seed).permutation(len(rows)))
    for column in columns:
        at = rows.schema.get_field_index(column)
        kept = rows.schema.field(at).with_nullable(True)
        values = pa.nulls(len(rows), kept.type) if how == "zero" else rows[column].take(order)
        rows = rows.set_column(at, kept, values)
    return rows


def _groups(features: Mapping[str, Feature]) -> list[tuple[str, list[str]]]:
    """(names, columns) of the features that share no column with one another; `a + b` where they do."""
    groups: list[tuple[list[str], set[str]]] = []
    for name, feature in features.items():
        names, columns = [name], {column.name for column in feature.columns(name)}
        apart = []
        for group in groups:
            if group[1] & columns:
                names, columns = group[0] + names, group[1] | columns
            else:
                apart.append(group)
        groups = [*apart, (names, columns)]
    return [(" + ".join(names), sorted(columns)) for names, columns in groups]


def _share(cell: Interval) -> str:
    return f"{cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]"


def _loss(cell: Interval) -> str:
    text = f"{cell.mean:+.3f} [{cell.low:+.3f}, {cell.high:+.3f}]"
    return f"**{text}**" if cell.excludes_zero else text
