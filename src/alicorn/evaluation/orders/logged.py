"""The hits of the hybrid expression of many searches, with the number that each hit has of every part of an order.

One search by each part gives the numbers; a weighted sum of them is then a few sums of arrays, and orders the hits as
the engine does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from alicorn.evaluation.orders.block import order_of
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.served import known_columns
from alicorn.language.order import Part
from alicorn.retrieval.retriever import Retriever


@dataclass(frozen=True)
class LoggedHits:
    """starts: (searches + 1,), where the hits of each search begin. documents: int32 (hits,), numbers of the corpus.

    numbers: part -> float64 (hits,), before weight and scale; -1 for the cosine of a document without the embedding.
    """

    starts: np.ndarray
    documents: np.ndarray
    numbers: Mapping[str, np.ndarray]

    def run(self, parts: Sequence[Part], depth: int) -> np.ndarray:
        """int32 (searches, depth): the hits by a weighted sum, ties by document number."""
        scores = np.zeros(len(self.documents))
        for part in parts:
            scores += part.weight * part.on_scale(self.numbers[str(part)])
        run = np.full((len(self.starts) - 1, depth), -1, dtype=np.int32)
        for row in range(len(run)):
            own = slice(int(self.starts[row]), int(self.starts[row + 1]))
            best = _first(scores[own], self.documents[own], depth)
            run[row, : len(best)] = self.documents[own][best]
        return run

    def spread(self, part: Part) -> float:
        """The mean over searches of the standard deviation of a part on its scale."""
        values = part.on_scale(self.numbers[str(part)])
        counts = np.diff(self.starts)
        rows = np.repeat(np.arange(len(counts)), counts)
        several = counts > 1
        if not several.any():
            return 0.0
        means = np.bincount(rows, values, len(counts)) / np.maximum(counts, 1)
        squares = np.bincount(rows, np.square(values - means[rows]), len(counts)) / np.maximum(counts, 1)
        return float(np.sqrt(squares[several]).mean())


def logged_hits(
    retriever: Retriever, searches: Searches, key: str, vectors: Mapping[str, np.ndarray], parts: Sequence[Part]
) -> LoggedHits:
    """All hits of each search. vectors: by name, (searches, dim) each. parts: whatever their weights and scales."""
    orders = {str(part): order_of([replace(part, weight=1.0, half_at=None, log=False)]) for part in parts}
    ids: list[pa.Array] = []
    numbers: dict[str, list[np.ndarray]] = {part: [] for part in orders}
    known = known_columns(searches, retriever.columns)
    for row, query in enumerate(searches.queries):
        read = retriever.read(query, "hybrid", key, known=known[row])
        given = {**read.vectors, **{name: each[row] for name, each in vectors.items()}}
        everything = len(retriever.collection)
        for at, (part, order_by) in enumerate(orders.items()):
            found = retriever.collection.search(read.expression, given, everything, order_by)
            order = np.lexsort((found.numbers, found.segments))
            numbers[part].append(np.maximum(found.scores[order].astype(np.float64), -1e300))
            if at == 0:
                ids.append(found.doc_ids.take(pa.array(order)))
    documents = searches.numbers(pa.concat_arrays([*ids, pa.array([], pa.string())]))
    counts = np.array([len(each) for each in ids], dtype=np.int64)
    here = documents >= 0
    rows = np.repeat(np.arange(len(counts)), counts)[here]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(counts)))]).astype(np.int64)
    together = {part: np.concatenate([*each, np.empty(0)])[here] for part, each in numbers.items()}
    for part, values in together.items():
        if part.split(":")[0] == "nn":
            np.maximum(values, -1.0, out=values)
    return LoggedHits(starts, documents[here], together)


def _first(scores: np.ndarray, documents: np.ndarray, depth: int) -> np.ndarray:
    """Places of the `depth` greatest scores in falling order, ties by document number."""
    places = np.arange(len(scores))
    if depth < len(scores):
        places = np.flatnonzero(scores >= np.partition(scores, len(scores) - depth)[len(scores) - depth])
    return places[np.lexsort((documents[places], -scores[places]))][:depth]
