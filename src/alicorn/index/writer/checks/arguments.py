"""Checks of the small arguments of a collection: embedding keys, prefixes, metadata, ids to delete, queries."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError, TableError
from alicorn.index.durability.journal import Declared
from alicorn.index.segment.building.documents import POSITIONS
from alicorn.quantization import CODES, MAX_CODED_DIM, STORED

MAX_DIM = 65_536
_KEY = re.compile(r"[\w.\-]+")


def checked_embeddings(embeddings: Mapping[str, int | Mapping[str, Any]]) -> dict[str, Declared]:
    """embeddings: key -> dimension, or key -> {"dim": dimension, "stored": one of STORED}. Raises ConfigError."""
    declared = {}
    for key, given in embeddings.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ConfigError(f"an embedding key is made of letters, digits, '_', '-' and '.', got {key!r}")
        parts = dict(given) if isinstance(given, Mapping) else {"dim": given}
        if "dim" not in parts or not parts.keys() <= {"dim", "stored"}:
            named = ", ".join(map(repr, parts)) or "nothing"
            raise ConfigError(f"embedding '{key}': expected 'dim', and 'stored' unless it is float32; got {named}")
        declared[key] = _checked_declaration(key, Declared(**parts))
    return declared


def _checked_declaration(key: str, declared: Declared) -> Declared:
    dim, stored = declared
    if isinstance(dim, bool) or not isinstance(dim, int) or not 1 <= dim <= MAX_DIM:
        raise ConfigError(f"embedding '{key}': the dimension must be an integer from 1 to {MAX_DIM}, got {dim!r}")
    if stored not in STORED:
        raise ConfigError(f"embedding '{key}': stored must be one of {', '.join(STORED)}, got {stored!r}")
    if stored == CODES and dim > MAX_CODED_DIM:
        raise ConfigError(f"embedding '{key}': codes have at most {MAX_CODED_DIM} dimensions, got {dim}: use float16")
    return declared


def checked_prefixes(prefixes: Sequence[str], argument: str = "positions") -> tuple[str, ...]:
    """The distinct prefixes of terms, without the colon. argument: its name. Raises ConfigError."""
    distinct = checked_names(argument, prefixes)
    for prefix in distinct:
        if not _KEY.fullmatch(prefix):
            raise ConfigError(
                f"{argument}: a prefix of terms is made of letters, digits, '_', '-' and '.', got {prefix!r}; the"
                " prefix of text:john is 'text'"
            )
    return distinct


def checked_names(argument: str, names: Sequence[str]) -> tuple[str, ...]:
    """The distinct names of an argument. Raises ConfigError."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{argument} must be a list of names, got {names!r}: put the names in a list")
    return tuple(dict.fromkeys(names))


def checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of metadata, made of what JSON can express. Raises ConfigError."""
    try:
        kept: dict[str, Any] = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"metadata must be an object that JSON can express: {error}") from error
    return kept


def copied_json(value: Any) -> Any:
    """A copy of what JSON can express: in a fifth of the time of copy.deepcopy, as each search reads metadata."""
    if type(value) is dict:
        return {name: copied_json(of) for name, of in value.items()}
    return [copied_json(of) for of in value] if type(value) is list else value


def checked_ids(doc_ids: Sequence[str]) -> pa.StringArray:
    """The distinct ids as an Arrow array. Raises TableError."""
    if isinstance(doc_ids, str | bytes):
        raise TableError(
            f"delete needs a list of doc_ids, got the single {doc_ids!r}: put it in a list", table="delete"
        )
    wanted = list(dict.fromkeys(doc_ids))
    for row, doc_id in enumerate(wanted):
        if not isinstance(doc_id, str):
            message = f"delete: a doc_id must be a str, got {type(doc_id).__name__} {doc_id!r}"
            raise TableError(message, table="delete", column="doc_id", row=row, count=1)
    try:
        return pa.array(wanted, pa.string())
    except UnicodeEncodeError as error:
        raise TableError(f"delete: a doc_id is not valid Unicode: {error}", table="delete", column="doc_id") from error


def checked_given(given: Mapping[str, object] | None, table: pa.Table) -> dict[str, np.ndarray]:
    """Column -> (rows,) bool: the rows of a table that give it. Raises TableError."""
    masks = {}
    for name, rows in (given or {}).items():
        if name not in table.column_names or name in ("doc_id", POSITIONS):
            message = f"given: {name!r} is no column of the table that a row may leave out: name one of its others"
            raise TableError(message, table="documents", column=name)
        mask = np.asarray(rows)
        if mask.dtype != bool or mask.shape != (table.num_rows,):
            wanted = f"a boolean for each of the {table.num_rows} rows"
            message = f"given: column {name!r} needs {wanted}, got {mask.dtype} of shape {mask.shape}"
            raise TableError(message, table="documents", column=name)
        masks[name] = mask
    return masks


def checked_queries(queries: np.ndarray, dim: int) -> np.ndarray:
    """The queries at unit length: (n, dim) float32. Raises ConfigError."""
    found = np.asarray(queries, dtype=np.float32)
    if found.ndim != 2 or found.shape[1] != dim or not len(found):
        raise ConfigError(f"queries must have the shape (n, {dim}), n at least 1, got {found.shape}")
    norms = np.linalg.norm(found.astype(np.float64), axis=1, keepdims=True)
    if not (np.isfinite(norms) & (norms > 0)).all():
        raise ConfigError("queries must be finite vectors other than zero")
    unit: np.ndarray = (found / norms).astype(np.float32)
    return unit
