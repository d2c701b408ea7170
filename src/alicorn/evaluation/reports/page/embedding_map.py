"""A sample of documents in the plane of their first two principal components, coloured by a column."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError
from alicorn.reporting.figure import SERIES
from alicorn.vertical import IdFeature, Vertical

_POINTS = 2000
_COLOURED = len(SERIES)  # the most frequent values have colours of their own; all others share one more


@dataclass(frozen=True)
class EmbeddingMap:
    """points: float64 (n, 2). rows: of the corpus. labels: the values that have colours, most frequent first.

    colours: int (n,), the number of the point's label; len(labels) for all other values. explained: share of the
    variance on the two axes.
    """

    points: np.ndarray
    rows: np.ndarray
    colours: np.ndarray
    labels: tuple[str, ...]
    column: str | None
    explained: tuple[float, float]


def embedding_map(vectors: np.ndarray, documents: pa.Table, column: str | None, seed: int = 0) -> EmbeddingMap:
    """vectors: float32 (documents, dim). column: of strings; None draws all points alike. Raises ConfigError."""
    rows = np.sort(np.random.default_rng(seed).choice(len(vectors), min(_POINTS, len(vectors)), replace=False))
    centred = vectors[rows] - vectors[rows].mean(axis=0, dtype=np.float64)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.where(axes[:2].sum(axis=1, keepdims=True) < 0, -1, 1)  # a sign of its own on every machine
    if len(axes) < 2:
        axes = np.vstack([axes, np.zeros((2 - len(axes), axes.shape[1]))])
    shares = np.append(sizes**2 / max(float(np.sum(sizes**2)), 1e-12), 0.0)
    colours, labels = np.zeros(len(rows), dtype=int), tuple[str, ...]()
    if column is not None:
        colours, labels = _coloured(_values(documents, column), rows)
    return EmbeddingMap(centred @ axes.T, rows, colours, labels, column, (float(shares[0]), float(shares[1])))


def default_column(vertical: Vertical) -> str | None:
    """The first id feature of documents: where they live, what they are."""
    return next((f.column for f in vertical.document.features.values() if isinstance(f, IdFeature)), None)


def check_column(documents: pa.Table, column: str) -> None:
    """Raise ConfigError where the documents do not have the column."""
    if column not in documents.column_names:
        known = ", ".join(documents.column_names)
        raise ConfigError(f"the documents have no column {column!r} to colour the map by; columns: {known}")


def _values(documents: pa.Table, column: str) -> list[str | None]:
    check_column(documents, column)
    return [None if value is None else str(value) for value in documents[column].to_pylist()]


def _coloured(values: list[str | None], rows: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    chosen = [values[row] for row in rows]
    counts = Counter(value for value in chosen if value is not None)
    labels = tuple(sorted(counts, key=lambda value: (-counts[value], value))[:_COLOURED])
    return np.array([labels.index(value) if value in labels else len(labels) for value in chosen]), labels
