"""Does a stored column that an operator names exist, with a type that it reads?"""

from __future__ import annotations

from collections.abc import Sequence

from alicorn.errors import QueryError
from alicorn.index import Snapshot


def need_column(column: str, snapshot: Snapshot, allowed: Sequence[str], wanted: str, offset: int) -> None:
    """Raise QueryError unless the column is among the allowed. wanted: a description of these, for the error."""
    if column in allowed:
        return
    name = shown(column)
    found = f"{name} is {snapshot.columns[column]}" if column in snapshot.columns else f"there is no {name}"
    choice = ", ".join(sorted(allowed)) or "none"
    raise QueryError(f"needs {wanted}, but {found}; the collection has: {choice}", offset)


def shown(name: str) -> str:
    """In quotes, escaped, at most 40 characters of it."""
    return repr(name if len(name) <= 40 else name[:40] + "...")
