"""Which requests share their choices? Those of one query, one searcher and one context.

What was chosen for one request of a group is no negative of another (negatives/accidental.py). Numbers of a context,
such as a page or an hour, tell no groups apart: with them every request would be one of its own.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.text import normalize


def request_groups(pairs: pa.Table, context: pa.Table | None) -> np.ndarray:
    """int64 (pairs,), from 0 without gaps. pairs: search_id, query, searcher_id. context: by search_id, or None."""
    groups = _joined(query_numbers(pairs), _numbers(pairs["searcher_id"]))
    if context is not None:
        of_pairs = context.take(pc.index_in(pairs["search_id"], context["search_id"].combine_chunks()))
        for column in of_pairs.drop_columns(["search_id"]).itercolumns():
            if column.type == pa.list_(pa.string()):
                column = pc.binary_join(column, "\x00")
            if pa.types.is_string(column.type):
                groups = _joined(groups, _numbers(column))
    return groups


def query_numbers(pairs: pa.Table) -> np.ndarray:
    """int64 (pairs,): equal for equal queries, normalised."""
    queries = pc.fill_null(pairs["query"], "").combine_chunks().dictionary_encode()
    _, spelling = np.unique([normalize(text) for text in queries.dictionary.to_pylist()], return_inverse=True)
    return spelling[queries.indices.to_numpy()].astype(np.int64) if len(pairs) else np.empty(0, dtype=np.int64)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """int64: equal for equal strings, 0 for null."""
    codes: np.ndarray = pc.fill_null(column.combine_chunks().dictionary_encode().indices, -1).to_numpy()
    return codes.astype(np.int64) + 1


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """int64: equal where both are."""
    _, groups = np.unique(first * (second.max(initial=0) + 1) + second, return_inverse=True)
    return groups.astype(np.int64)
