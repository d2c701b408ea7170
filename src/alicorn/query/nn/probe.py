"""One query vector against one embedding key: which clusters, in which order, and the query as the codec takes it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alicorn.quantization import FLOAT16, KeyQuantizer, NoEstimate, PreparedQuery
from alicorn.query.nn.loop.arguments import NO_FLOATS, Query

_SLACK = np.float32(4e-6)  # rounding of float32 sums of unit vectors, added to the error of every estimate
_HALF_SLACK = np.float32(5e-4)  # a stored row of float16 may be longer than 1 by 2 ** -11
_NO_ESTIMATE = NoEstimate()


class Ranking(NamedTuple):
    """clusters: the nearest, nearest first. cosines: of all clusters, exact of these; the others are off by at most
    `off`."""

    clusters: np.ndarray
    cosines: np.ndarray
    off: float


def slack_by_codes(quantizer: KeyQuantizer) -> np.float32:
    """The error of an estimate in addition to that of its code, without the rounding of the query."""
    return _SLACK + _HALF_SLACK if quantizer.stored == FLOAT16 else _SLACK


class Probe:
    """The values that all segments share, computed when first needed.

    query: (dim,) float32, unit length; vector: the query prepared for comparing stored rows.
    """

    __slots__ = (
        "_ascending",
        "_coarse",
        "_codec",
        "_cosines",
        "_estimates",
        "_nearest_first",
        "_nprobe",
        "_prepared",
        "_slack",
        "query",
        "vector",
    )

    def __init__(
        self, quantizer: KeyQuantizer, query: np.ndarray, nprobe: int | None, ranking: Ranking | None = None
    ) -> None:
        """ranking: of the nprobe nearest clusters, where it is known already."""
        self.query = query
        self._codec = quantizer.codec
        self.vector = quantizer.exact_query(query)
        self._slack = slack_by_codes(quantizer)
        self._coarse = quantizer.coarse
        self._nprobe = nprobe if nprobe is not None and nprobe < quantizer.num_clusters else None
        self._cosines: np.ndarray | None = None if ranking is None else ranking.cosines
        self._estimates: tuple[np.ndarray, np.float32] | None = None
        self._nearest_first: np.ndarray | None = None if ranking is None else ranking.clusters
        self._ascending: np.ndarray | None = None
        self._prepared: PreparedQuery | None = None

    @property
    def all_clusters(self) -> bool:
        return self._nprobe is None

    @property
    def cosines(self) -> np.ndarray:
        """(num_clusters,) float32 inner products with the centroids; with nprobe only those of the clusters probed."""
        if self._cosines is None:
            if self._nprobe is None:
                self._cosines = self._coarse.cosines(self.query)
            else:
                self._nearest_first, self._cosines, _ = self._coarse.nearest(self.query, self._nprobe)
        return self._cosines

    @property
    def nearest_first(self) -> np.ndarray:
        """The clusters to scan, nearest first."""
        cosines = self.cosines
        if self._nearest_first is None:
            self._nearest_first = np.argsort(-cosines, kind="stable")
        return self._nearest_first

    @property
    def ascending(self) -> np.ndarray:
        """The clusters to scan, by number."""
        if self._ascending is None:
            self._ascending = np.arange(len(self.cosines)) if self._nprobe is None else np.sort(self.nearest_first)
        return self._ascending

    def by_codes(self, in_clusters: bool) -> Query:
        """The query for a search by codes, of rows in clusters or anywhere."""
        prepared = self._prepared
        if prepared is None:
            prepared = self._prepared = self._codec.prepare(self.query)
        slack = self._slack + prepared.rounding
        if in_clusters:
            return Query(self.vector, prepared, self.cosines, len(self.cosines), slack)
        if not self._codec.of_residuals:
            return Query(self.vector, prepared, NO_FLOATS, 0, slack)
        if self._estimates is None:
            self._estimates = self._coarse.estimates(self.query)
        cosines, error = self._estimates
        return Query(self.vector, prepared, cosines, len(cosines), slack + error)

    def by_vectors(self) -> Query:
        """The query for a search by stored vectors alone, of rows in clusters."""
        return Query(self.vector, _NO_ESTIMATE, self.cosines, len(self.cosines), self._slack)
