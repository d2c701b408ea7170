"""Columns that a request brings along as JSON: those of its searcher, and those of its context."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from alicorn.config import did_you_mean
from alicorn.errors import AlicornError
from alicorn.tables import array_of_json
from alicorn.vertical.columns import Column, arrow_type


def given_columns(
    given: Mapping[str, Any],
    columns: Mapping[str, Column],
    what: str,
    kind: Callable[[str], pa.DataType | None] = lambda name: None,
) -> dict[str, pa.Array]:
    """All `columns` as arrays of one row; one that is not given is null.

    what: "searcher" or "context", in messages. kind: the type of a column, None where its feature decides it. Raises
    AlicornError for a column that is none of these, TableError for a value that does not fit.
    """
    for name in given:
        if name not in columns:
            known = ", ".join(columns) or "none"
            raise AlicornError(
                f"{what}: unknown column {name[:100]!r}; {did_you_mean(name[:100], list(columns))}columns: {known}"
            )
    return {
        name: array_of_json([given.get(name)], kind(name) or arrow_type([column], [given.get(name)]), what, name)
        for name, column in columns.items()
    }
