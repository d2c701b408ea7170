"""What the compiled search of a block takes: the query, and the limits of the answer. The block: index/.

Numba compiles the search for the class of the prepared query and of the stored rows, so that each codec has a loop of
its own (quantization/kernels/named.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from alicorn.quantization.kernels.named import BitWords, Flags, FloatRows, Floats, Longs, Numbers

ALL, LISTED, MARKED, ANYWHERE = 0, 1, 2, 3
"""Which rows may be in the answer: all of some clusters; those of an ascending list, in the clusters; those whose bit
is set, in the clusters; all of an ascending list, in whatever cluster."""
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


class Further(NamedTuple):
    """What decides about further clusters, once those of the limits are read (quantization/calibration.py).

    looks: 1 where no further ones are read, else 2. spread, slope, base: of the calibration. query: (dim,), compared
    with centroids; off: the error of the cosines of further clusters, 0 where they are exact.
    """

    looks: int
    spread: float
    slope: float
    base: float
    query: Floats
    dim: int
    centroids: FloatRows
    off: float


NONE_FURTHER = Further(1, 0.0, 0.0, 0.0, NO_FLOATS, 0, np.empty((0, 0), dtype=np.float32), 0.0)


class Limits(NamedTuple):
    """mode: ALL, LISTED, MARKED or ANYWHERE. rows: of LISTED and ANYWHERE; bits: of MARKED. clusters: in the order to
    scan them, for k the most promising first. deleted: of documents, empty when none is.

    k: how many; 0: all whose score is at least `least`. id_order: of documents, which comes first of equal scores.
    further: for k, which clusters are read after these.
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
    further: Further
