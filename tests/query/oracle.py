"""The slow, obvious meaning of every operator, and random documents to compare an engine with.

Oracle(documents, vectors).evaluate(tree) -> set of doc_ids, by the definitions of the language alone: Python sets, one
document at a time, no index, no plan, no segment. Imported by the tests of this folder, from which pytest starts.

A document is a dict: doc_id str, terms list[str], optional term_positions list[int] or None, stored columns (numbers,
strings, lists of strings, None), optional static_rank float, embeddings {key: float vector or None}.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np

from alicorn.language.tree import (
    And,
    Apply,
    Difference,
    Extract,
    Fuzzy,
    Nn,
    Node,
    Not,
    Or,
    Phrase,
    Prefix,
    Range,
    StrongOr,
    Term,
    WeakAnd,
    walk,
)

Document = Mapping[str, Any]


def offered(node: Node, nn: Nn) -> list[Nn]:
    """Every nn that can be reached from an `or` above the given one without leaving through not, apply or a filter."""

    def below(node: Node) -> list[Nn]:
        match node:
            case Nn():
                return [node]
            case Or(operands) | StrongOr(operands):
                return [one for operand in operands for one in below(operand)]
            case And(operands) | WeakAnd(operands, _) | Difference(operands):
                for operand in operands:
                    if found := below(operand):
                        return found
        return []

    reached = below(node)
    return reached if any(one == nn for one in reached) else []


def one_cluster(key: str, vector: np.ndarray, nprobe: int) -> None:
    """An untrained collection: every document is in the one cluster that is probed."""
    return


class Oracle:
    """Documents and the vectors of one request.

    vectors: name (a key, or what `:vector` names) -> vector, of any length above 0.
    clusters: (key, unit query vector, nprobe) -> doc_ids in the nprobe nearest clusters, or None for all.
    stored: how the collection keeps vectors. recalled: of an nn with `:recall`, those of the allowed documents that are
    in the clusters which it reads.
    """

    def __init__(
        self,
        documents: Iterable[Document],
        vectors: Mapping[str, np.ndarray] | None = None,
        clusters: Callable[[str, np.ndarray, int], set[str] | None] = one_cluster,
        stored: str = "float32",
        recalled: "Callable[[Oracle, Nn, set[str]], set[str]] | None" = None,
    ) -> None:
        self.recalled = recalled
        self.documents = {document["doc_id"]: document for document in documents}
        self.vectors = {name: unit(vector) for name, vector in (vectors or {}).items()}
        self.clusters = clusters
        self.stored = stored
        self.by_static_rank = sorted(self.documents, key=lambda doc_id: (-self.static_rank(doc_id), doc_id))
        self.frequencies = Counter(term for document in self.documents.values() for term in set(document["terms"]))
        self.units: dict[tuple[str, str], np.ndarray | None] = {}

    def evaluate(self, node: Node) -> set[str]:
        """The doc_ids that the tree denotes."""
        match node:
            case Term(term):
                return self._where(lambda document: term in document["terms"])
            case Prefix(prefix, terms):
                fitting = [term for term in self.frequencies if term.startswith(prefix)]
                return self._having_any(sorted(fitting, key=lambda term: (-self.frequencies[term], term))[:terms])
            case Fuzzy():
                return self._having_any(self.expanded(node))
            case Phrase():
                return self._where(lambda document: _has_phrase(document, node))
            case And(operands):
                kept = set(self.documents)
                for operand in operands:
                    kept &= self.evaluate(operand)
                return kept
            case Or(operands) | StrongOr(operands):
                return set().union(*map(self.evaluate, operands))
            case Difference(operands):
                return self.evaluate(operands[0]).difference(*map(self.evaluate, operands[1:]))
            case Not(operand):
                return set(self.documents) - self.evaluate(operand)
            case Range(column, minimum, maximum):
                return self._where(lambda document: _within(document.get(column), minimum, maximum))
            case Nn():
                return self._nearest(node)
            case WeakAnd(operands, optional_hits):
                return self._weak_and(operands, optional_hits)
            case Apply(prefix, inner, limit):
                terms = {prefix + doc_id for doc_id in self._first(inner, limit)}
                return self._where(lambda document: not terms.isdisjoint(document["terms"]))
            case Extract(column, inner, limit):
                named = [_as_list(self.documents[doc_id].get(column)) for doc_id in self._first(inner, limit)]
                return set().union(*named) & set(self.documents)
        raise TypeError(f"no meaning for {type(node).__name__}")

    def expanded(self, node: Fuzzy) -> list[str]:
        """The terms that a fuzzy term stands for, the nearest first."""
        if node.below is not None and self.frequencies[node.term] >= node.below:
            return [node.term]
        start = node.term.find(":") + 1 + (node.exact or 0)
        beginning, rest = node.term[:start], node.term[start:]
        begun = [term for term in self.frequencies if term.startswith(beginning)]
        edits = {term: num_edits(term.removeprefix(beginning), rest) for term in begun}
        fitting = [term for term in begun if edits[term] <= node.edits]
        return sorted(fitting, key=lambda term: (edits[term], -self.frequencies[term], term))[: node.terms]

    def distance(self, doc_id: str, node: Nn) -> float | None:
        """Cosine distance of the document to the node's vector, from float32 unit vectors; None without embedding."""
        unit_vector = self._unit(doc_id, node.key)
        return None if unit_vector is None else 1.0 - _dot(unit_vector, self.vectors[node.vector or node.key])

    def order(self, doc_ids: Iterable[str], tree: Node, by: str | None = None) -> list[str]:
        """All of them, best first. by: "nn", "static_rank", or None: nn where the tree has an nn, else static rank.

        nn: the least distance to the first nn and to those that an `or` offers beside it, of its key.
        """
        first_nn = next((node for node in walk(tree) if isinstance(node, Nn)), None)
        if by == "static_rank" or first_nn is None:
            return sorted(doc_ids, key=lambda doc_id: (-self.static_rank(doc_id), doc_id))
        beside = [first_nn] + [nn for nn in offered(tree, first_nn) if nn.key == first_nn.key]
        distances = {
            doc_id: None
            if self.distance(doc_id, first_nn) is None
            else min(distance for nn in beside if (distance := self.distance(doc_id, nn)) is not None)
            for doc_id in doc_ids
        }
        return sorted(distances, key=lambda doc_id: (_missing_last(distances[doc_id]), doc_id))

    def is_borderline(self, tree: Node, margin: float = 1e-5) -> bool:
        """Is a document so near to a radius, or to the k-th place, that float32 arithmetic may decide otherwise?"""
        for node in walk(tree):
            if not isinstance(node, Nn):
                continue
            distances = sorted(d for doc_id in self._candidates(node) if (d := self.distance(doc_id, node)) is not None)
            if node.radius is not None and any(abs(d - node.radius) < margin for d in distances):
                return True
            if node.k is not None and node.k < len(distances):
                gap = distances[node.k] - distances[node.k - 1]
                if 0 < gap < margin:
                    return True
        return False

    def static_rank(self, doc_id: str) -> float:
        return float(self.documents[doc_id].get("static_rank") or 0.0)

    def _where(self, holds: Callable[[Document], bool]) -> set[str]:
        return {doc_id for doc_id, document in self.documents.items() if holds(document)}

    def _having_any(self, terms: Sequence[str]) -> set[str]:
        return self._where(lambda document: not set(terms).isdisjoint(document["terms"]))

    def _first(self, inner: Node, limit: int) -> list[str]:
        found = self.evaluate(inner)
        return [doc_id for doc_id in self.by_static_rank if doc_id in found][:limit]

    def _candidates(self, node: Nn) -> set[str]:
        """Documents that the node may take before distances are looked at."""
        found = set(self.documents) if node.filter is None else self.evaluate(node.filter)
        if node.nprobe is not None:
            probed = self.clusters(node.key, self.vectors[node.vector or node.key], node.nprobe)
            found = found if probed is None else found & probed
        if node.recall is not None:
            assert self.recalled is not None
            return self.recalled(self, node, found)
        return found if node.scan is None else self._scanned(node, node.scan, found)

    def _scanned(self, node: Nn, scan: int, found: set[str]) -> set[str]:
        """Those of the nearest clusters that together hold `scan` of them."""
        vector = self.vectors[node.vector or node.key]
        everywhere = self.clusters(node.key, vector, 1_000_000)
        for nprobe in range(1, 1_000_000):
            probed = self.clusters(node.key, vector, nprobe)
            if probed is None or probed == everywhere or len(found & probed) >= scan:
                return found if probed is None else found & probed
        raise AssertionError("the clusters have no end")

    def _nearest(self, node: Nn) -> set[str]:
        distances = [(self.distance(doc_id, node), doc_id) for doc_id in self._candidates(node)]
        known = sorted((distance, doc_id) for distance, doc_id in distances if distance is not None)
        if node.radius is not None:
            return {doc_id for distance, doc_id in known if distance <= node.radius}
        return {doc_id for _, doc_id in known[: node.k]}

    def _weak_and(self, operands: Sequence[Node], optional_hits: Sequence[int | None]) -> set[str]:
        found = [self.evaluate(operand) for operand in operands]
        counters = list(optional_hits)
        accepted = set()
        for doc_id in self.by_static_rank:
            missing = [i for i, documents in enumerate(found) if doc_id not in documents]
            if all(counters[i] for i in missing):  # None: the operand is required; 0: used up
                accepted.add(doc_id)
                for i in missing:
                    counters[i] -= 1  # type: ignore[operator]
        return accepted

    def _unit(self, doc_id: str, key: str) -> np.ndarray | None:
        if (doc_id, key) not in self.units:
            vector = self.documents[doc_id].get("embeddings", {}).get(key)
            self.units[doc_id, key] = None if vector is None else as_stored(unit(vector), self.stored)
        return self.units[doc_id, key]


@cache
def num_edits(first: str, second: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours from one text to the other, none touched twice."""
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in range(len(first) + 1):
        for j in range(len(second) + 1):
            if not i or not j:
                table[i][j] = i + j
                continue
            replaced = table[i - 1][j - 1] + (first[i - 1] != second[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, replaced)
            if i > 1 and j > 1 and first[i - 1] == second[j - 2] and first[i - 2] == second[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


def unit(vector: Any) -> np.ndarray:
    """(dim,) float32 of length 1."""
    array = np.asarray(vector, dtype=np.float32)
    return array / np.linalg.norm(array)


def as_stored(vector: np.ndarray, stored: str) -> np.ndarray:
    """A unit vector as it is kept, (dim,) float32: docs/decisions/006-stored-precision.md."""
    if stored == "float16":
        return vector.astype(np.float16).astype(np.float32)
    if stored == "codes":
        whole = np.rint(vector.astype(np.float64) / np.abs(vector).max() * 127)
        return (whole / np.sqrt((whole**2).sum())).astype(np.float32)
    return vector


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """In float64, one product after the other: equal vectors give equal values, whatever their place in memory."""
    return float((a.astype(np.float64) * b.astype(np.float64)).sum())


def positions_in(document: Document, prefix: str) -> list[tuple[str, int]]:
    """The terms of a prefix with their positions: those given, or their order."""
    own = [at for at, term in enumerate(document["terms"]) if term.startswith(f"{prefix}:")]
    given = document.get("term_positions")
    return [(document["terms"][at], order if given is None else given[at]) for order, at in enumerate(own)]


def _has_phrase(document: Document, node: Phrase) -> bool:
    """Every choice of a position for each word is tried."""
    placed = positions_in(document, node.prefix)
    choices = [[at for term, at in placed if term == wanted] for wanted in node.terms]
    for chosen in product(*choices):
        moved = [at - word for word, at in enumerate(chosen)]
        pairs = combinations(range(len(chosen)), 2)
        if max(moved) - min(moved) <= node.slop and not any(
            chosen[a] == chosen[b] and node.words[a] == node.words[b] for a, b in pairs
        ):
            return True
    return False


def _within(value: Any, minimum: float | None, maximum: float | None) -> bool:
    if value is None:
        return False
    return (minimum is None or value >= minimum) and (maximum is None or value <= maximum)


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [name for name in value or () if name is not None]


def _missing_last(distance: float | None) -> tuple[bool, float]:
    return distance is None, distance or 0.0
