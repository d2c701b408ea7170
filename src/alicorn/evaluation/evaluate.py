"""`alicorn evaluate`: the recall of a model over the whole corpus, exact and through the quantized index.

EBR's measure (papers 1.1): recall@K by exact search over the whole corpus, mean over 10,000 sampled searches. A better
model may be worse after quantization (papers 1.9), so that the index is measured beside it, with the ratio of the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from alicorn.errors import CollectionError, ConfigError
from alicorn.evaluation.comparison import OVERALL, Comparison, compare, recall_measures
from alicorn.evaluation.report import SIMULATION, markdown, write_report
from alicorn.evaluation.searches import Searches, open_searches
from alicorn.evaluation.systems import Searchable, embedding_run, index_run
from alicorn.vertical import Vertical

EXACT, INDEX = "exact search", "quantized index"


class Encoder(Protocol):
    """What evaluation needs of alicorn.Model."""

    @property
    def key(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def encode_requests(self, requests: pa.Table) -> np.ndarray: ...

    def encode_documents(self, documents: pa.Table) -> np.ndarray: ...


class PublishedCollection(Searchable, Protocol):
    """A collection that knows which models its embeddings are of: `metadata["models"]`, key -> fingerprint."""

    @property
    def metadata(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Evaluation:
    """Recall of one model. `comparison` has the system EXACT and, with a collection, INDEX.

    ratios: measure -> recall through the index / recall by exact search; empty without a collection.
    facts: what was evaluated on what, for the JSON report.
    """

    comparison: Comparison
    ratios: dict[str, float]
    facts: dict[str, Any]

    def markdown(self, title: str = "Evaluation", notes: Sequence[str] = ()) -> str:
        return markdown(self.comparison, title=title, notes=[*notes, *self._sentences()])

    def to_dict(self) -> dict[str, Any]:
        ratios = {name: None if np.isnan(ratio) else round(ratio, 6) for name, ratio in self.ratios.items()}
        return {**self.facts, "ratios": ratios, **self.comparison.to_dict()}

    def write(self, folder: str | Path, title: str = "Evaluation", notes: Sequence[str] = ()) -> list[Path]:
        """Write evaluation.md, evaluation.json and evaluation.png into the folder; returns their paths."""
        notes = [*notes, *self._sentences()]
        return write_report(self.comparison, folder, title=title, name="evaluation", notes=notes, facts=self.to_dict())

    def _sentences(self) -> list[str]:
        facts = self.facts
        sentences = [SIMULATION] if facts["simulated"] else []
        sentences += [
            f"{facts['num_searches']:,} of {facts['num_in_split']:,} searches of the {facts['split']} split over"
            f" {facts['num_documents']:,} documents; model {facts['model']}."
        ]
        if self.ratios:
            shares = ", ".join(f"{measure} {ratio:.3f}" for measure, ratio in self.ratios.items())
            where = "in all clusters" if facts["nprobe"] is None else f"at nprobe {facts['nprobe']}"
            sentences.append(f"Through the index {where}, relative to exact search: {shares}.")
        return sentences


def evaluate(
    model: Encoder,
    folder: str | Path,
    vertical: Vertical,
    ks: Sequence[int] = (1, 10, 100),
    collection: PublishedCollection | None = None,
    num_searches: int = 10_000,
    seed: int = 0,
    nprobe: int | None = 16,
) -> Evaluation:
    """Exact recall@K of a model on sampled searches of the last split, and the same through an index.

    folder: pairs/ or a log folder. collection: holds the model's embeddings of the same corpus; nprobe: how many
    clusters it looks in, None for all.
    Raises TableError, ConfigError, CollectionError; all of them before anything is encoded.
    """
    _check_arguments(ks, num_searches)
    if collection is not None:
        check_published(model, collection)
    searches = open_searches(folder, vertical, num_searches, seed)
    request_vectors = model.encode_requests(searches.requests)
    depth = max(ks)
    runs = {EXACT: embedding_run(request_vectors, model.encode_documents(searches.documents), depth)}
    if collection is not None:
        runs[INDEX] = index_run(collection, model.key, searches, request_vectors, depth, nprobe)
    comparison = compare(
        runs,
        searches.targets,
        measures=recall_measures(ks),
        segments=searches.segments,
        baseline=EXACT if collection is not None else None,
        seed=seed,
    )
    facts = _facts(model, vertical, searches, seed) | ({"nprobe": nprobe} if collection is not None else {})
    return Evaluation(comparison, _ratios(comparison) if collection is not None else {}, facts)


def check_published(model: Encoder, collection: PublishedCollection) -> None:
    """The collection's embeddings are this model's, or a CollectionError that says what to do."""
    published = collection.metadata.get("models", {}).get(model.key)
    if published is None:
        raise CollectionError(
            f"the collection does not say which model made its embedding {model.key!r}; this is {model.fingerprint}:"
            " publish the documents with `alicorn publish DOCS --into COLLECTION --model MODEL`"
        )
    if published != model.fingerprint:
        raise CollectionError(
            f"embedding {model.key!r} was published with model {published}, this is model {model.fingerprint}: publish"
            f" the documents with this model into a new collection, or evaluate model {published}"
        )


def _check_arguments(ks: Sequence[int], num_searches: int) -> None:
    if not ks or min(ks) < 1:
        raise ConfigError(f"k must be one or more numbers from 1, got {list(ks)}")
    if num_searches < 1:
        raise ConfigError(f"the number of searches must be 1 or more, got {num_searches}")


def _facts(model: Encoder, vertical: Vertical, searches: Searches, seed: int) -> dict[str, Any]:
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
