"""`alicorn evaluate`: the recall of a model over the whole corpus, exact and through the quantized index.

EBR's measure: recall@K by exact search over the whole corpus, mean over 10,000 sampled searches. A better model may be
worse after quantization (EBR), so recall through the index is measured too, with the ratio of the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.comparison import OVERALL, Comparison, compare, recall_measures, served_measures
from alicorn.evaluation.reports.comparison_report import SIMULATION, markdown, write_report
from alicorn.evaluation.searches import Searches, open_searches
from alicorn.evaluation.systems.runs import TopK, embedding_run, index_run, nearest_run, reranked_run
from alicorn.evaluation.systems.served import BM25, HYBRID, NN, Answered
from alicorn.publishing.provenance import check_published
from alicorn.query import Collection
from alicorn.retrieval.encoder import search_vectors
from alicorn.retrieval.reading.nearest import RECALL
from alicorn.towers import AnyModel
from alicorn.vertical import Vertical

EXACT, INDEX = "exact search", "quantized index"
DEPTHS = (10, 30, 100, 300, 1000)
"""How many of the first documents a second model orders anew, by default."""


@dataclass(frozen=True)
class RecallReport:
    """The recall of one model. `comparison` has the system EXACT and, with a collection, INDEX; with a second model
    also the cascades after each of them: `first 100 re-ranked`.

    ratios: measure -> recall through the index / recall by exact search; empty without a collection.
    facts: what was evaluated on what, for the JSON report. runs: of every system, for those who look closer.
    """

    comparison: Comparison
    ratios: dict[str, float]
    facts: dict[str, Any]
    runs: dict[str, np.ndarray]

    def markdown(self, title: str = "Evaluation", notes: Sequence[str] = ()) -> str:
        return markdown(self.comparison, title=title, notes=[*notes, *self._sentences()])

    def to_dict(self) -> dict[str, Any]:
        ratios = {name: None if np.isnan(ratio) else round(ratio, 6) for name, ratio in self.ratios.items()}
        return {**self.facts, "ratios": ratios, **self.comparison.to_dict()}

    def write(self, folder: str | Path, title: str = "Evaluation", notes: Sequence[str] = ()) -> list[Path]:
        """Write evaluation.md, evaluation.json and evaluation.svg into the folder; returns their paths."""
        notes = [*notes, *self._sentences()]
        return write_report(self.comparison, folder, title=title, name="evaluation", notes=notes, facts=self.to_dict())

    def _sentences(self) -> list[str]:
        facts = self.facts
        sentences = [SIMULATION] if facts["simulated"] else []
        sentences += [
            f"{facts['num_searches']:,} of {facts['num_in_split']:,} searches of the {facts['split']} split over"
            f" {facts['num_documents']:,} documents; model {facts['model']}."
        ]
        if self.comparison.weighted:
            sentences.append("A search counts by the inverse propensity of its clicks (`alicorn mine --propensities`).")
        if "num_interests" in facts:
            sentences.append(
                f"Requests have {facts['num_interests']} vectors, and a document is as near as to the nearest; the mean"
                f" cosine of two of them is {facts['interest_cosine']:.3f}."
            )
        if "reranked_by" in facts:
            sentences.append(f"The first documents are ordered anew by model {facts['reranked_by']}.")
        if "served" in facts:
            sentences.append(f"Served: {facts['served']}.")
        sentences += self._better_than_served()
        if "p50_p99_ms" in facts:
            times = "; ".join(f"{system} {p50:.2f} and {p99:.2f}" for system, (p50, p99) in facts["p50_p99_ms"].items())
            sentences.append(
                f"Time of a request in the engine, one at a time, 50th and 99th percentile in ms: {times}."
            )
        if "encoding_ms" in facts:
            p50, p99 = facts["encoding_ms"]
            sentences.append(
                f"Encoding a request by itself, which nn and hybrid need before: {p50:.2f} and {p99:.2f} ms."
            )
        for done in facts.get("encoders", ()):
            sentences.append(
                f"Its text encoder: {done['texts']:,} texts encoded, {done['found']:,} read from the disk, in"
                f" {done['seconds']:.1f} s."
            )
        if "looks_at_test" in facts:
            looks = facts["looks_at_test"]
            sentences.append(
                f"The test split was looked at {looks} time{'s' * (looks != 1)} with this model: what is chosen by it"
                " is no longer measured by it."
            )
        if self.ratios:
            shares = ", ".join(f"{measure} {ratio:.3f}" for measure, ratio in self.ratios.items())
            asked = f"by :recall {facts['index_recall']:g}"
            sentences.append(f"Through the index {asked}, relative to exact search: {shares}.")
        return sentences

    def _better_than_served(self) -> list[str]:
        """Whether words or vectors alone are better than the hybrid beyond chance: then its order is wrong."""
        found = self.comparison
        measure = next((name for name in found.measures if name.startswith("NDCG@")), None)
        if measure is None or found.baseline != HYBRID:
            return []
        gains = {name: found.difference(name, measure) for name in (BM25, NN) if name in found.systems}
        return [
            f"{name} alone is better than hybrid by {measure} {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]:"
            " `alicorn tune COLLECTION --order --apply` looks for a better order on the valid split."
            for name, gain in gains.items()
            if gain.low > 0
        ]


def measure_recall(
    model: AnyModel,
    searched: str | Path | Searches,
    vertical: Vertical,
    ks: Sequence[int] = (1, 10, 100),
    collection: Collection | None = None,
    num_searches: int = 10_000,
    seed: int = 0,
    index_recall: float = RECALL,
    second: AnyModel | None = None,
    depths: Sequence[int] = DEPTHS,
    top_k: TopK | None = None,
) -> RecallReport:
    """Exact recall@K of a model on sampled searches of the last split, and the same through an index.

    searched: pairs/, a log folder, or opened searches. collection: holds the model's embeddings of the same corpus.
    index_recall: the share of the nearest that the index is asked for, by `:recall`. second: a model that orders the
    first `depths` documents anew. top_k: finds the nearest of the corpus; by default all of it is encoded here.
    Raises TableError, ConfigError, CollectionError; all of them before anything is encoded.
    """
    _check_arguments(ks, num_searches, depths)
    if collection is not None:
        check_published(model, collection)
    searches = searched if isinstance(searched, Searches) else open_searches(searched, vertical, num_searches, seed)
    request_vectors = search_vectors(model, searches.requests)
    depth = max(*ks, *depths) if second is not None else max(ks)
    if top_k is None:
        runs = {EXACT: exact_run(model, searches, depth, request_vectors)}
    else:
        runs = {EXACT: nearest_run(request_vectors, top_k, depth)}
    if collection is not None:
        runs[INDEX] = index_run(collection, model.key, searches, request_vectors, depth, index_recall)
    facts = _facts(model, vertical, searches, seed) | ({"index_recall": index_recall} if collection is not None else {})
    if request_vectors.ndim == 3:
        facts |= {"num_interests": request_vectors.shape[1], "interest_cosine": _mean_cosine(request_vectors)}
    if second is not None:
        runs |= _cascades(runs, second, searches, depths)
        facts["reranked_by"] = second.fingerprint
    comparison = compare(
        runs,
        searches.targets,
        measures=recall_measures(ks),
        segments=searches.segments,
        baseline=EXACT if len(runs) > 1 else None,
        seed=seed,
    )
    return RecallReport(comparison, _ratios(comparison) if collection is not None else {}, facts, runs)


def exact_run(model: AnyModel, searches: Searches, depth: int, request_vectors: np.ndarray | None = None) -> np.ndarray:
    """The nearest `depth` of all documents, by exact search: int64 (searches, depth), as embedding_run gives them.

    request_vectors: of the searches by this model, where they are known.
    """
    vectors = search_vectors(model, searches.requests) if request_vectors is None else request_vectors
    return embedding_run(vectors, model.encode_documents(searches.documents), depth)


def with_served(
    report: RecallReport, answered: Mapping[str, Answered], searches: Searches, ks: Sequence[int], seed: int
) -> RecallReport:
    """The report with all measures, and with systems as they are served in the same table, compared with HYBRID;
    without them with EXACT.

    ms: the engine's time of a request, mean; its 50th and 99th percentile are among the facts.
    """
    runs = report.runs | {system: one.run for system, one in answered.items()}
    comparison = compare(
        runs,
        searches.targets,
        measures=served_measures(ks, searches.targets),
        segments=searches.segments,
        baseline=next((name for name in (HYBRID, EXACT) if name in runs and len(runs) > 1), None),
        seed=seed,
        measured={"ms": {system: one.took_ms for system, one in answered.items()}} if answered else None,
    )
    if not answered:
        return replace(report, comparison=comparison)
    times = {system: p50_p99(one.took_ms) for system, one in answered.items()}
    return replace(report, comparison=comparison, runs=runs, facts=report.facts | {"p50_p99_ms": times})


def p50_p99(times: np.ndarray) -> list[float]:
    """The 50th and 99th percentile."""
    found: list[float] = np.quantile(times, [0.5, 0.99]).round(3).tolist()
    return found


def _mean_cosine(interests: np.ndarray) -> float:
    """Of two interests of one request. interests: float32 (searches, interests, dim), unit length."""
    count = interests.shape[1]
    total = np.square(interests.sum(axis=1, dtype=np.float64)).sum(axis=1)  # of all pairs, each with itself too
    return round(float((total - count).mean()) / float(count * (count - 1)), 6)


def _cascades(
    runs: Mapping[str, np.ndarray], second: AnyModel, searches: Searches, depths: Sequence[int]
) -> dict[str, np.ndarray]:
    requests = search_vectors(second, searches.requests)
    documents = second.encode_documents(searches.documents)
    return {
        f"{stage}first {depth} re-ranked": reranked_run(runs[first], requests, documents, depth)
        for first, stage in ((EXACT, ""), (INDEX, f"{INDEX}, "))
        if first in runs
        for depth in depths
    }


def _check_arguments(ks: Sequence[int], num_searches: int, depths: Sequence[int]) -> None:
    if not ks or min(ks) < 1:
        raise ConfigError(f"k must be one or more numbers from 1, got {list(ks)}")
    if num_searches < 1:
        raise ConfigError(f"the number of searches must be 1 or more, got {num_searches}")
    if not depths or min(depths) < 1:
        raise ConfigError(f"the depths of a cascade must be one or more numbers from 1, got {list(depths)}")


def _facts(model: AnyModel, vertical: Vertical, searches: Searches, seed: int) -> dict[str, Any]:
    return {
        "model": model.fingerprint,
        "vertical": vertical.name,
        "split": searches.split,
        "num_searches": len(searches),
        "num_in_split": searches.num_in_split,
        "num_without_targets": searches.num_without_targets,
        "num_documents": len(searches.documents),
        "simulated": searches.simulated,
        "seed": seed,
    }


def _ratios(comparison: Comparison) -> dict[str, float]:
    ratios = {}
    for measure in comparison.measures:
        exact = comparison.mean(EXACT, measure, OVERALL).mean
        ratios[measure] = comparison.mean(INDEX, measure, OVERALL).mean / exact if exact > 0 else float("nan")
    return ratios
