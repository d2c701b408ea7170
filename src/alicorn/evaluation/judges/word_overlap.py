"""A judge learned from labels: does a document answer a query? A logistic regression over how words overlap.

    labels.parquet    query string, doc_id string, grade: a number, above 0 where the document answers the query

MGDSPR measures P_good by such a model, whose AUC on labels of people is 0.915. This one reads words alone and does not
judge meaning: look at its AUC, or pass a judge of your own (judge.py). Labels it was trained on overrule its
prediction.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import TableError
from alicorn.evaluation.searches import Searches
from alicorn.tables import open_parts
from alicorn.text import words
from alicorn.training.run.validation import roc_auc
from alicorn.vertical import IdFeature, IdsFeature, TextFeature, Vertical
from alicorn.vertical.columns import Column, ColumnType, read_as, refuse_rows

_FOLDS = 5
_WHY = "labels: query, doc_id and grade (above 0: the document answers the query)"
_LABELS = (
    Column("query", ColumnType.STRING, _WHY),
    Column("doc_id", ColumnType.STRING, _WHY),
    Column("grade", ColumnType.NUMBER, _WHY),
)
_RIDGE = 1.0  # of a standardised weight
_STEPS = 30


class RelevanceModel:
    """auc: ROC AUC on labels of queries that were left out of learning, five folds. num_labels: those in the corpus."""

    def __init__(self, labels: pa.Table, documents: pa.Table, vertical: Vertical, seed: int = 0) -> None:
        """documents: the corpus, with the vertical's columns. Raises TableError where labels cannot be learned from."""
        labels = read_as(labels, _LABELS, "labels")
        for column in ("doc_id", "grade"):
            refuse_rows(labels[column].is_null(), "labels", column, "a value is null")
        grades = labels["grade"].cast(pa.float64(), safe=False)
        refuse_rows(pc.invert(pc.is_finite(grades)), "labels", "grade", "a grade is NaN or infinity; give a number")
        self._texts = _Texts(documents, vertical)
        rows = pc.index_in(labels["doc_id"], documents["doc_id"].combine_chunks())
        labels = labels.filter(pc.is_valid(rows))
        numbers = pc.drop_null(rows).to_numpy().astype(np.int64)
        queries = [query or "" for query in labels["query"].to_pylist()]
        good = pc.greater(labels["grade"], 0).to_numpy()
        _check_both(good)
        seen = self._texts.overlap(queries, numbers)
        self.auc = _held_out_auc(seen, good, queries, seed)
        self.num_labels = len(good)
        self._weights = _fitted(seen, good)
        self._known = dict(zip(zip(queries, numbers.tolist(), strict=True), good.tolist(), strict=True))

    def log_odds(self, queries: Sequence[str], numbers: np.ndarray) -> np.ndarray:
        """float64 (pairs,): that a document answers a query, by their words alone. numbers: int64, document rows."""
        told: np.ndarray = self._texts.overlap(queries, numbers) @ self._weights[:-1] + self._weights[-1]
        return told

    def judge(self, searches: Searches, ranked: np.ndarray) -> np.ndarray:
        """As judge.Judge. searches.documents must be the corpus that the model was made with."""
        found = ranked >= 0
        rows = np.nonzero(found)[0]
        queries = [searches.queries[row] for row in rows]
        numbers = ranked[found].astype(np.int64)
        told = _chance(self._texts.overlap(queries, numbers), self._weights)
        for at, pair in enumerate(zip(queries, numbers.tolist(), strict=True)):
            told[at] = self._known.get(pair, told[at])
        chances = np.full(ranked.shape, np.nan)
        chances[found] = told
        return chances


def teacher(scored: pa.Table, documents: pa.Table, vertical: Vertical) -> np.ndarray:
    """A teacher for `alicorn mine --teacher` (logs/mine.py): log-odds by a judge that learned from what was chosen."""
    queries = [query or "" for query in scored["query"].to_pylist()]
    numbers = pc.index_in(scored["doc_id"], documents["doc_id"].combine_chunks()).to_numpy().astype(np.int64)
    return RelevanceModel(scored, documents, vertical).log_odds(queries, numbers)


def read_labels(path: str | Path) -> pa.Table:
    """query, doc_id, grade. Raises TableError."""
    source = open_parts(path, "labels")
    with source.located():
        return read_as(source.read([column.name for column in _LABELS]), _LABELS, "labels")


class _Texts:
    """The words of every document: of its text, and of all it is described by."""

    def __init__(self, documents: pa.Table, vertical: Vertical) -> None:
        features = vertical.document.features.values()
        texts = [f.column for f in features if isinstance(f, TextFeature)]
        described = [f.column for f in features if isinstance(f, TextFeature | IdFeature | IdsFeature)]
        self._text, self._described = (_words(documents, columns) for columns in (texts, described))
        counts: dict[str, int] = {}
        for found in self._described:
            for word in found:
                counts[word] = counts.get(word, 0) + 1
        self._rarity = {word: float(np.log(len(documents) / count)) for word, count in counts.items()}
        self._unseen = float(np.log(len(documents) + 1))

    def overlap(self, queries: Sequence[str], numbers: np.ndarray) -> np.ndarray:
        """float64 (pairs, 6): for text and for all words of a document, the share of the query's words in it, the same
        weighted by rarity, and whether it has all."""
        asked = {query: set(words(query)) for query in set(queries)}
        out = np.zeros((len(queries), 6))
        for row, (query, number) in enumerate(zip(queries, numbers.tolist(), strict=True)):
            wanted = asked[query]
            out[row] = [*self._shares(wanted, self._text[number]), *self._shares(wanted, self._described[number])]
        return out

    def _shares(self, wanted: set[str], having: frozenset[str]) -> tuple[float, float, float]:
        if not wanted:
            return 0.0, 0.0, 0.0
        found = wanted & having
        whole = sum(self._rarity.get(word, self._unseen) for word in wanted)
        rare = sum(self._rarity.get(word, self._unseen) for word in found)
        return len(found) / len(wanted), rare / whole if whole > 0 else 0.0, float(len(found) == len(wanted))


def _words(documents: pa.Table, columns: Sequence[str]) -> list[frozenset[str]]:
    """Of each document; a word is kept once, however many documents have it."""
    kept: dict[str, str] = {}
    found: list[set[str]] = [set() for _ in range(len(documents))]
    for column in columns:
        for row, value in enumerate(documents[column].to_pylist()):
            texts = value if isinstance(value, list) else [value]
            for text in texts:
                found[row].update(kept.setdefault(word, word) for word in words(text or ""))
    return [frozenset(row) for row in found]


def _fitted(seen: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Weights, the last of a constant, by Newton's method with a ridge."""
    x = np.column_stack([seen, np.ones(len(seen))])
    ridge = _RIDGE * np.diag([*np.ones(seen.shape[1]), 1e-6])
    weights = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (chance - good) + ridge @ weights
        weights -= np.linalg.solve((x * (chance * (1 - chance))[:, None]).T @ x + ridge, slope)
    return weights


def _chance(seen: np.ndarray, weights: np.ndarray) -> np.ndarray:
    chance: np.ndarray = 1 / (1 + np.exp(-np.clip(seen @ weights[:-1] + weights[-1], -30, 30)))
    return chance


def _held_out_auc(seen: np.ndarray, good: np.ndarray, queries: Sequence[str], seed: int) -> float | None:
    """Each fifth of the queries is predicted by a model of the others; None if a part has only one kind of label."""
    names, of_query = np.unique(np.asarray(queries), return_inverse=True)
    fold = np.random.default_rng(seed).integers(_FOLDS, size=len(names))[of_query]
    told = np.empty(len(good))
    for number in range(_FOLDS):
        left_out = fold == number
        if good[~left_out].all() or not good[~left_out].any():
            return None
        told[left_out] = _chance(seen[left_out], _fitted(seen[~left_out], good[~left_out]))
    return roc_auc(told[good], told[~good])


def _check_both(good: np.ndarray) -> None:
    if not good.any() or good.all():
        raise TableError(
            f"table labels: of {len(good)} labels of documents in the corpus {int(good.sum())} have a grade above 0: a"
            " judge needs documents that answer a query and others that do not",
            table="labels",
            column="grade",
        )
