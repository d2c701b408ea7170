"""What is asked, and the exact answer: filters, requests, and brute-force truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from harness.vectors import Data

_BLOCK = 1 << 17  # documents a block of the exact search


@dataclass(frozen=True)
class Filter:
    """Documents that have every tag of all_of, one of any_of (when given), and none of none_of."""

    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()

    def expression(self) -> str:
        """In alicorn's language."""
        parts = [*self.all_of, *(f"(not {tag})" for tag in self.none_of)]
        if self.any_of:
            parts.append(f"(or {' '.join(self.any_of)})")
        return parts[0] if len(parts) == 1 else f"(and {' '.join(parts)})"


@dataclass(frozen=True)
class Request:
    """The k nearest of the filter's documents, or its documents within the radius together with `also`'s."""

    query: np.ndarray  # (dim,) float32, unit length
    filter: Filter | None = None
    k: int | None = None
    radius: float | None = None
    also: Filter | None = None


@dataclass(frozen=True)
class Row:
    """One line of a table. draw: data, rng, count -> requests. batch: requests per call (1: one at a time).

    aim: the issue's bar, as a multiple of the best peer's queries/s. exact: only complete answers count.
    one_setting: ours has one expression for the whole row, whatever the filter.
    """

    name: str
    draw: Callable[[Data, np.random.Generator, int], list[Request]]
    aim: float | None = None
    batch: int = 1
    exact: bool = False
    one_setting: bool = False


@dataclass
class Filters:
    """The documents of filters in the forms that systems want; whole filters are made once and kept."""

    data: Data
    _masks: dict[Filter, np.ndarray] = field(default_factory=dict)

    @cached_property
    def postings(self) -> dict[str, np.ndarray]:
        return self.data.postings

    def mask(self, filter: Filter) -> np.ndarray:
        """(n,) bool."""
        if filter not in self._masks:
            self._masks[filter] = self.make_mask(filter)
        return self._masks[filter]

    def documents(self, filter: Filter) -> np.ndarray:
        """Ascending int64."""
        return np.flatnonzero(self.mask(filter))

    def make_mask(self, filter: Filter) -> np.ndarray:
        """The mask from the posting lists, not kept."""
        mask = np.full(len(self.data), not filter.any_of)
        for tag in filter.any_of:
            mask[self.postings[tag]] = True
        for tag in filter.all_of:
            has = np.zeros(len(self.data), dtype=bool)
            has[self.postings[tag]] = True
            mask &= has
        for tag in filter.none_of:
            mask[self.postings[tag]] = False
        return mask


def truth(data: Data, filters: Filters, requests: Sequence[Request]) -> list[np.ndarray]:
    """The documents of each request by exact inner products: nearest first for k, ascending for a radius."""
    answers: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(requests)
    for filter in {request.filter for request in requests}:
        at = [i for i, request in enumerate(requests) if request.filter == filter]
        documents = None if filter is None else filters.documents(filter)
        for i, answer in zip(at, _exact(data.vectors, documents, [requests[i] for i in at]), strict=True):
            also = requests[i].also
            answers[i] = answer if also is None else np.union1d(answer, filters.documents(also))
    return answers


def _exact(vectors: np.ndarray, documents: np.ndarray | None, requests: Sequence[Request]) -> list[np.ndarray]:
    queries = np.stack([request.query for request in requests])
    found: list[list[np.ndarray]] = [[] for _ in requests]
    scored: list[list[np.ndarray]] = [[] for _ in requests]
    count = len(vectors) if documents is None else len(documents)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        numbers = np.arange(start, stop) if documents is None else documents[start:stop]
        block = vectors[start:stop] if documents is None else vectors[numbers]
        scores = queries @ np.ascontiguousarray(block).T
        for i, request in enumerate(requests):
            if request.k is None:
                assert request.radius is not None
                kept = np.flatnonzero(scores[i] >= 1.0 - request.radius)
            else:
                kept = largest(scores[i], request.k)
            found[i].append(numbers[kept])
            scored[i].append(scores[i, kept])
    answers = []
    for request, parts, part_scores in zip(requests, found, scored, strict=True):
        numbers = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
        if request.k is not None and parts:
            numbers = numbers[largest(np.concatenate(part_scores), request.k)]
        answers.append(numbers)
    return answers


def largest(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k largest scores, in falling order."""
    if k < len(scores):
        best = np.argpartition(-scores, k - 1)[:k]
        return best[np.argsort(-scores[best], kind="stable")]
    return np.argsort(-scores, kind="stable")


def new_queries(data: Data, anchors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A new point of the cluster of each anchor document: near documents, equal to none."""
    return data.mixture.near(data.clusters[anchors], rng)
