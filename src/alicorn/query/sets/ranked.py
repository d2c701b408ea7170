"""Documents in order of falling score, ties by doc_id: over one segment, and over several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alicorn.index import Snapshot
from alicorn.query.sets import docset


@dataclass(slots=True)
class Ranked:
    """Documents in their order, by falling cosine unless another is said: segment (n,), number (n,), score (n,).

    of_keys: the scores of all keys that are scores, (n,) each, where an order has several keys.
    """

    segments: np.ndarray
    numbers: np.ndarray
    scores: np.ndarray
    of_keys: tuple[np.ndarray, ...] = ()

    @classmethod
    def of_one_segment(cls, numbers: np.ndarray, scores: np.ndarray) -> Ranked:
        return cls(np.zeros(len(numbers), dtype=np.int64), numbers, scores)

    def first(self, limit: int) -> Ranked:
        return self.between(0, limit)

    def between(self, start: int, stop: int) -> Ranked:
        if start == 0 and stop >= len(self.numbers):
            return self
        part = slice(start, stop)
        return Ranked(self.segments[part], self.numbers[part], self.scores[part], tuple(k[part] for k in self.of_keys))


def best_first(
    snapshot: Snapshot, scores: np.ndarray, segments: np.ndarray, numbers: np.ndarray, limit: int
) -> np.ndarray:
    """Positions of the `limit` largest scores in falling order, ties by doc_id (as UTF-8 bytes)."""
    id_orders = np.empty(len(scores), dtype=np.int64)
    kept = []
    for at, view in enumerate(snapshot.segments):
        here = np.flatnonzero(segments == at)
        if len(here):
            id_orders[here] = view.segment.id_order[numbers[here]]
            kept.append(here[_largest(scores[here], id_orders[here], limit)])
    if not kept:
        return docset.NO_NUMBERS
    positions = np.concatenate(kept)
    order = positions[np.lexsort((id_orders[positions], segments[positions], -scores[positions]))]
    if len(kept) > 1:  # within one segment id_order settles ties; across segments the ids themselves do
        _settle_ties(snapshot, scores, segments, numbers, order)
    return order[:limit]


def _largest(scores: np.ndarray, id_orders: np.ndarray, limit: int) -> np.ndarray:
    """Positions of the `limit` largest scores of one segment, in any order; ties to the smaller id_order."""
    if limit >= len(scores):
        return np.arange(len(scores))
    if limit == 0:
        return docset.NO_NUMBERS
    bound = np.partition(scores, len(scores) - limit)[len(scores) - limit]
    above, tied = np.flatnonzero(scores > bound), np.flatnonzero(scores == bound)
    missing = limit - len(above)
    if missing < len(tied):
        tied = tied[np.argpartition(id_orders[tied], missing - 1)[:missing]]
    return np.concatenate([above, tied])


def _settle_ties(
    snapshot: Snapshot, scores: np.ndarray, segments: np.ndarray, numbers: np.ndarray, order: np.ndarray
) -> None:
    """Sort every run of equal scores in `order`, in place, by doc_id."""
    falling = scores[order]
    edges = np.flatnonzero(falling[1:] != falling[:-1]) + 1
    for group in np.split(order, edges):  # views of order
        if len(group) > 1 and (segments[group] != segments[group[0]]).any():
            ids = [
                snapshot.segments[at].segment.doc_ids[number].as_py().encode()
                for at, number in zip(segments[group].tolist(), numbers[group].tolist(), strict=True)
            ]
            group[:] = group[sorted(range(len(group)), key=ids.__getitem__)]
