"""What the compiled search of a block takes: the query, and the limits of the answer. The block: index/.

Numba compiles the search for the class of the prepared query and of the stored rows, so that each codec has a loop of
its own (quantization/kernels/named.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from alicorn.quantization.kernels.named import BitWords, Flags, FloatRows, Floats, Longs, Numbers, located
from alicorn.query.text.in_all import Postings

ALL, LISTED, MARKED, ANYWHERE, WITH_TERMS = 0, 1, 2, 3, 4
"""Which rows may be in the answer: all of some clusters; those of an ascending list, in the clusters; those whose bit
is set, in the clusters; all of an ascending list, in whatever cluster; those of the documents that have some terms, in
the clusters, in a block in which a document's number is its row."""
SCANNED, REFINED, VERIFIED, PROBED, PRUNED, LOOKED = 0, 1, 2, 3, 4, 5
"""Places of a block's counters: rows scanned, refined by the second part of their code, compared by their stored
vector; clusters scanned, and excluded by their angle; clusters that a `:recall` came to."""

NO_ROWS = np.empty(0, dtype=np.uint32)
NO_BITS = np.empty(0, dtype=np.uint64)
NO_FLOATS = np.empty(0, dtype=np.float32)
NO_CLUSTERS = np.empty(0, dtype=np.int64)
NONE_DELETED = np.empty(0, dtype=bool)


class Query(NamedTuple):
    """vector: the query prepared for comparing stored rows. code: the query prepared by the codec; slack: the error of
    an estimate in addition to that of its code. cosines: to the centroids, as many as are needed; estimates with
    ANYWHERE."""

    vector: Floats
    code: Any
    cosines: Floats
    num_cosines: int
    slack: np.float32


class Having(NamedTuple):
    """Terms of the allowed documents. terms: their numbers; any: whether one of them is enough. postings: located.

    live: the documents that are not deleted, as num_live words of bits; none where no document is deleted.
    """

    terms: Longs
    num_terms: int
    any: int
    postings: Postings
    live: BitWords
    num_live: int


NO_TERMS = Having(NO_CLUSTERS, 0, 0, located(Postings(NO_ROWS, NO_CLUSTERS, NO_CLUSTERS, NO_BITS, 0, 0)), NO_BITS, 0)


class ClusterChoice(NamedTuple):
    """Which clusters are searched, where the limits do not give them, and which ones after those.

    nearest: so many of the nearest; holding: as many of the nearest as hold so many allowed rows, and all of them if at
    most `exact_to` rows are allowed. Both are 0 where the limits give the clusters.
    looks: 1 where no further clusters are searched, else 2. spread, slope, base: of the calibration, which decides
    about further ones (quantization/calibration.py). query: (dim,), compared with centroids; off: the error of the
    query's cosines, except those that are known to be exact.
    """

    nearest: int
    holding: int
    exact_to: int
    looks: int
    spread: float
    slope: float
    base: float
    query: Floats
    dim: int
    centroids: FloatRows
    off: float


GIVEN = ClusterChoice(0, 0, 0, 1, 0.0, 0.0, 0.0, NO_FLOATS, 0, np.empty((0, 0), dtype=np.float32), 0.0)


class Limits(NamedTuple):
    """mode: one of the five. rows: of LISTED and ANYWHERE; bits: of MARKED; num_rows: how many these are. having: of
    WITH_TERMS. clusters: in the order to scan them, for k the most promising first. deleted: of documents, empty when
    none is.

    k: how many; 0: all whose score is at least `least`. id_order: of documents, which comes first of equal scores.
    choice: for k, which clusters are searched instead of these, or after these. flag: of wanted.py.
    """

    mode: int
    rows: Numbers
    num_rows: int
    bits: BitWords
    clusters: Longs
    num_clusters: int
    deleted: Flags
    any_deleted: int
    k: int
    least: float
    id_order: Numbers
    having: Having
    choice: ClusterChoice
    flag: int
