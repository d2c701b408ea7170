"""Accidental hits: a document drawn as a negative although it is a positive. They are found and masked.

A column is an accidental hit for a request if its document is the request's positive, or was chosen by the same
searcher for the same query in the same context anywhere in the training set. Requests without a searcher share the
choices of their query and context.
"""

from dataclasses import dataclass

import numpy as np
from numba import types

from alicorn.compiled import kernel


@dataclass(frozen=True, eq=False)
class KnownPositives:
    """The documents chosen by each group of requests, a group being one query and searcher.

    groups: int64 (pairs,) group of each training pair. offsets: int64 (groups + 1,) into documents: int64.
    """

    groups: np.ndarray
    offsets: np.ndarray
    documents: np.ndarray

    @classmethod
    def of(cls, groups: np.ndarray, documents: np.ndarray) -> "KnownPositives":
        """groups: int64 (pairs,), from 0 without gaps. documents: int64 (pairs,), the positive of each pair."""
        chosen = np.unique(np.stack([groups, documents]), axis=1)  # sorted by group
        num_groups = int(groups.max()) + 1 if len(groups) else 0
        offsets = np.searchsorted(chosen[0], np.arange(num_groups + 1)).astype(np.int64)
        return cls(groups.astype(np.int64), offsets, np.ascontiguousarray(chosen[1], dtype=np.int64))

    def mask(self, pairs: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """bool (len(pairs), len(columns)): column j is a known positive of pair i.

        pairs: int64 numbers of training pairs. columns: int64 document numbers.
        """
        hits = np.zeros((len(pairs), len(columns)), dtype=np.bool_)
        order = np.argsort(columns, kind="stable")
        _mark(self.groups[pairs], self.offsets, self.documents, columns[order], order, hits)
        return hits


_I64 = types.Array(types.int64, 1, "C", readonly=True)


@kernel(types.void(_I64, _I64, _I64, _I64, _I64, types.boolean[:, ::1]))
def _mark(groups, offsets, documents, sorted_columns, order, hits):
    """Look each known positive up among the columns, sorted by document."""
    for row in range(len(groups)):
        for known in range(offsets[groups[row]], offsets[groups[row] + 1]):
            document = documents[known]
            at = np.searchsorted(sorted_columns, document)
            while at < len(sorted_columns) and sorted_columns[at] == document:
                hits[row, order[at]] = True
                at += 1
