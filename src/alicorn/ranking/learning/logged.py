"""Features as they were when a document was shown: what a log has of a ranker of the same features.

They are better than computed ones: documents, clicks and models may have changed since.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.pairs import PairsFolder
from alicorn.ranking.features import FeatureSet


class LoggedFeatures(NamedTuple):
    """matrix: (known, features) float64. rows: (shown,) int64, the row of the matrix of each document shown, -1 where
    the log does not have the features that are asked for."""

    matrix: np.ndarray
    rows: np.ndarray


def logged_features(folder: PairsFolder, shown: pa.Table, features: FeatureSet) -> LoggedFeatures:
    """shown: search_id, doc_id. Those of another feature set, which may differ in a definition, are not taken."""
    width = len(features.names)
    if not folder.has("features"):
        return LoggedFeatures(np.empty((0, width)), np.full(len(shown), -1))
    table = folder.read("features", search_ids=pc.unique(shown["search_id"].combine_chunks()))
    table = table.filter(pc.equal(table["feature_set"], features.fingerprint())).combine_chunks()
    keys = [_key(each) for each in (shown, table)]
    found = pc.index_in(keys[0], keys[1].combine_chunks())
    values = table["features"].combine_chunks().flatten()
    matrix = np.asarray(values.fill_null(np.nan), dtype=np.float64).reshape(-1, width)
    return LoggedFeatures(matrix, np.asarray(pc.fill_null(found, -1)).astype(np.int64))


def _key(rows: pa.Table) -> pa.ChunkedArray:
    """Of search and document in one string; with the length of the first, as both may hold blanks."""
    length = pc.binary_length(rows["search_id"]).cast(pa.string())
    return pc.binary_join_element_wise(length, rows["search_id"], rows["doc_id"], " ")
