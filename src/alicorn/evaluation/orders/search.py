"""The best weighted sum for the hybrid expression: chosen on half of the valid searches, measured on the other half.

First the weights of the fields of BM25, if the vertical has fields (fields.py), by words alone. Then a line search,
with these weights and without: one weight of the sum after the other, on the logged hits, over a grid that is relative
to how far the part spreads among the hits of one search; BM25 as it is and as x / (x + h), stored numbers as they are
and as ln(1 + x). Then the present order, the best sum and reciprocal-rank fusion are asked of the collection, as
served.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.comparison import Comparison, compare, served_measures
from alicorn.evaluation.metrics.ranking import Targets, ndcg_at
from alicorn.evaluation.orders.block import order_of
from alicorn.evaluation.orders.fields import FoundFields, K, found_fields, with_fields
from alicorn.evaluation.orders.logged import LoggedHits, logged_hits
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.served import RRF, request_vectors, served
from alicorn.language.order import OrderBy, Part, Sum, read_order
from alicorn.retrieval.retriever import Retriever

PRESENT, TUNED, FUSED = "present order", "weighted sum", "rrf"
_DOUBLINGS = range(-6, 4)  # of the weight at which a part spreads as far as the first
_ROUNDS = 2
_DEPTH = 100


@dataclass(frozen=True)
class Trial:
    """A sum that was tried: the part that was varied, and NDCG@K on the half that chooses."""

    part: str
    parts: tuple[Part, ...]
    value: float


@dataclass(frozen=True)
class OrderSearch:
    """orders: by the names of the comparison, which is of the half that did not choose; chosen: one of the names.

    trials: of the line search, in its order. fields: weights of fields, None where the vertical has no fields or none
    are better. num_choosing: searches of the half that chose.
    """

    orders: dict[str, OrderBy]
    chosen: str
    comparison: Comparison
    trials: tuple[Trial, ...]
    fields: FoundFields | None
    num_choosing: int

    @property
    def is_worth_having(self) -> bool:
        """Whether the chosen order is better than the present one beyond chance."""
        return self.chosen != PRESENT and self.comparison.difference(self.chosen, f"NDCG@{K}").low > 0

    def to_dict(self) -> dict[str, Any]:
        trials = [{"part": one.part, "order": order_of(one.parts), "ndcg": round(one.value, 6)} for one in self.trials]
        return {
            "chosen": self.chosen,
            "worth_having": self.is_worth_having,
            "orders": self.orders,
            "searches_that_chose": self.num_choosing,
            **self.comparison.to_dict(),
            "trials": trials,
            "fields": None if self.fields is None else self.fields.to_dict(),
        }


def search_order(
    retriever: Retriever, searches: Searches, key: str, parts: Sequence[str], seed: int = 0
) -> OrderSearch:
    """parts: the names to sum, the first with weight 1. key: of the embedding.

    Raises ConfigError for parts that the vertical does not have, or for fewer than 20 searches; QueryError and
    ConfigError for those that the collection does not have.
    """
    assert retriever.vertical is not None, "a text is read by a vertical"
    if len(searches) < 20:
        raise ConfigError(f"half of the searches choose and half measure: 20 are the least, got {len(searches)}")
    named = read_order(dict.fromkeys(parts, 1.0), "--parts")[0]
    assert isinstance(named, Sum)
    retriever.vertical.check_order("hybrid", dict.fromkeys(parts, 1.0))
    vectors = request_vectors(retriever, searches, key)
    choosing, measuring = _halves(len(searches), seed)
    half = searches.take(choosing, searches.targets.take(choosing))
    own = {name: each[choosing] for name, each in vectors.items()}
    measured = searches.take(measuring, searches.targets.take(measuring))
    fields = found_fields(retriever, half, measured) if "bm25" in parts else None
    sums = [named.parts] if fields is None else [named.parts, with_fields(named.parts, fields.weights)]
    trials = tuple(
        trial for of in sums for trial in _line_search(logged_hits(retriever, half, key, own, of), half.targets, of)
    )
    best = max(trials, key=lambda one: (one.value, -len(one.parts)))
    present = retriever.vertical.order_of("hybrid") or "nn"
    orders: dict[str, OrderBy] = {PRESENT: present, TUNED: order_of(best.parts)}
    if present != RRF:
        orders[FUSED] = RRF
    runs = {
        name: served(retriever, searches, _DEPTH, "hybrid", key, vectors, order).run for name, order in orders.items()
    }
    values = {name: float(np.nanmean(ndcg_at(run[choosing], half.targets, K))) for name, run in runs.items()}
    chosen = max(values, key=lambda name: values[name])  # of equal ones the first, which is the present
    comparison = compare(
        {name: run[measuring] for name, run in runs.items()},
        measured.targets,
        measures=served_measures((K, _DEPTH), measured.targets),
        baseline=PRESENT,
        seed=seed,
    )
    return OrderSearch(orders, chosen, comparison, trials, fields, len(choosing))


def _halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    shuffled = np.random.default_rng(seed).permutation(count)
    return np.sort(shuffled[: count // 2]), np.sort(shuffled[count // 2 :])


def _line_search(hits: LoggedHits, targets: Targets, parts: Sequence[Part]) -> Iterator[Trial]:
    """Every sum that is tried, each round beginning with the best of the one before."""

    def tried(name: str, of: dict[str, Part]) -> Trial:
        kept = tuple(part for part in of.values() if part.weight)
        return Trial(name, kept, float(np.nanmean(ndcg_at(hits.run(kept, K), targets, K))))

    first = str(parts[0])
    best = tried(first, {first: parts[0]})
    yield best
    unit = hits.spread(parts[0])
    for _ in range(_ROUNDS):
        before = best
        for part in parts[1:]:
            now = {str(one): one for one in best.parts}
            for option in _options(hits, part, unit):
                trial = tried(str(part), now | {str(part): option})
                yield trial
                best = max(best, trial, key=lambda one: (one.value, -len(one.parts)))
        if best is before or len(parts) <= 2:
            break


def _options(hits: LoggedHits, part: Part, unit: float) -> Iterator[Part]:
    """The part left out, and on each of its scales with each weight, of two digits."""
    yield replace(part, weight=0.0)
    for scaled in _scales(hits, part):
        spread = hits.spread(scaled)
        if spread > 0:
            for doublings in _DOUBLINGS:
                yield replace(scaled, weight=_two_digits(unit / spread * 2.0**doublings))


def _scales(hits: LoggedHits, part: Part) -> Iterator[Part]:
    yield part
    if part.kind == "bm25":
        best = [values.max() for values in np.split(hits.numbers[str(part)], hits.starts[1:-1]) if len(values)]
        known = [value for value in best if value > 0]
        if known:
            yield replace(part, half_at=_two_digits(float(np.median(known)) / 2))
    elif part.kind == "column":
        yield replace(part, log=True)


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")
