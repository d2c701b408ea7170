"""What every kind of feature has: its values for candidates, and the check of the names that it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from alicorn.config import Config, did_you_mean
from alicorn.ranking.features.candidates import Candidates
from alicorn.vertical.columns import ColumnType


class KnownNames(NamedTuple):
    """What a feature may name. columns: stored, with their types. embeddings: key -> dim. prefixes: of terms, with the
    kinds of their rules. asker: columns of the searcher and the context, with their types. channels: of the vertical's
    hybrid expression."""

    columns: Mapping[str, pa.DataType]
    embeddings: Mapping[str, int]
    prefixes: Mapping[str, frozenset[str]]
    asker: Mapping[str, frozenset[ColumnType]]
    channels: tuple[str, ...]


class RankFeature(Config):
    """monotone: how the score may depend on it, all else equal; None for any way. of_collection: whether it depends on
    other documents than its own."""

    of_collection: ClassVar[bool] = False
    monotone: Literal["increasing", "decreasing"] | None = None

    def columns(self, name: str) -> tuple[str, ...]:
        """Names of the columns of a matrix that it gives. name: of the feature."""
        return (name,)

    def values(self, candidates: Candidates) -> np.ndarray:
        """(candidates,) float64, or (candidates, columns) where there are several; NaN where nothing is known."""
        raise NotImplementedError

    def check(self, known: KnownNames) -> None:
        """Raises ValueError for a name that is not known."""


def check_name(name: str, known: Mapping[str, object] | tuple[str, ...], what: str) -> None:
    """Raises ValueError with the nearest known name."""
    if name not in known:
        raise ValueError(
            f"unknown {what} '{name}'; {did_you_mean(name, list(known))}there are: {', '.join(known) or '-'}"
        )


def check_number(column: str, known: KnownNames) -> None:
    """Raises ValueError unless a stored column is one of numbers, booleans, dates or times."""
    check_name(column, known.columns, "stored column")
    kind, types = known.columns[column], pa.types
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_temporal(kind)):
        raise ValueError(f"column '{column}' must be of numbers, got {kind}")


def check_time(column: str, known: KnownNames) -> None:
    """Raises ValueError unless a stored column is one of dates or times."""
    check_name(column, known.columns, "stored column")
    kind, types = known.columns[column], pa.types
    if not (types.is_date(kind) or types.is_timestamp(kind)):
        raise ValueError(f"column '{column}' must be of dates or times, got {kind}")


def check_asker(column: str, known: KnownNames, wanted: ColumnType | None = None, what: str = "") -> None:
    """Raises ValueError unless the searcher or the context has a column, of a type if one is wanted. what: the type,
    in words."""
    check_name(column, known.asker, "column of the searcher")
    if wanted is not None and wanted not in known.asker[column]:
        got = ", ".join(sorted(str(one.value) for one in known.asker[column]))
        raise ValueError(f"column '{column}' of the searcher must be {what}, got {got}")


def missing(candidates: Candidates) -> np.ndarray:
    return np.full(len(candidates), np.nan)
