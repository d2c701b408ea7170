"""Features of searcher and document together: distance, what they have in common, what the searcher did before."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from alicorn.index import SegmentView
from alicorn.ranking.features.candidates import Candidates
from alicorn.ranking.features.document import stored_numbers
from alicorn.ranking.features.feature import KnownNames, RankFeature, check_asker, check_name, check_number, missing
from alicorn.tables import one_chunk
from alicorn.vertical.columns import ColumnType

_EARTH_KM = 6371.0088  # mean radius
_Pair = Annotated[tuple[str, ...], Field(min_length=2, max_length=2)]


class Distance(RankFeature):
    """Kilometres on the sphere between two places, each a column of latitude and one of longitude, in degrees."""

    kind: Literal["distance"]
    document: _Pair
    searcher: _Pair

    def values(self, candidates: Candidates) -> np.ndarray:
        known = [candidates.asked.known.get(name) for name in self.searcher]
        if None in known:
            return missing(candidates)
        latitude, longitude = np.radians(np.array(known, dtype=np.float64))
        latitudes, longitudes = (np.radians(stored_numbers(candidates, name)) for name in self.document)
        # The haversine, which is exact for small distances too.
        half = (
            np.sin((latitudes - latitude) / 2) ** 2
            + np.cos(latitude) * np.cos(latitudes) * np.sin((longitudes - longitude) / 2) ** 2
        )
        return np.asarray(2 * _EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0))))

    def check(self, known: KnownNames) -> None:
        for name in self.document:
            check_number(name, known)
        for name in self.searcher:
            check_asker(name, known, ColumnType.NUMBER, "of numbers")


class Common(RankFeature):
    """How many values of a stored column the searcher's column has too; both may be single values or lists.

    Of two single values 1 or 0: the same city. Missing where either is null.
    """

    kind: Literal["common"]
    document: str
    searcher: str

    def values(self, candidates: Candidates) -> np.ndarray:
        own = candidates.asked.known.get(self.searcher)
        if own is None:
            return missing(candidates)
        wanted = own if isinstance(own, list) else [own]
        return candidates.gathered(lambda view, numbers: _in_common(view, numbers, self.document, wanted))

    def check(self, known: KnownNames) -> None:
        check_name(self.document, known.columns, "stored column")
        check_asker(self.searcher, known)


class Past(RankFeature):
    """How often a column of the searcher lists the document: what was clicked or bought before (request.behaviour)."""

    kind: Literal["past"]
    searcher: str

    def values(self, candidates: Candidates) -> np.ndarray:
        own = candidates.asked.known.get(self.searcher)
        if own is None:
            return missing(candidates)
        listed = Counter(own if isinstance(own, list) else [own])
        return np.array([listed[doc_id] for doc_id in candidates.doc_ids], dtype=np.float64)

    def check(self, known: KnownNames) -> None:
        check_asker(self.searcher, known)


def _of_type(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Those that can be of a type: a value of another type is in no column of it."""
    try:
        return pa.array(values, kind).drop_null()
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([], kind)


def _in_common(view: SegmentView, numbers: np.ndarray, column: str, wanted: list[Any]) -> np.ndarray:
    fields = view.segment.fields
    if column not in fields.schema.names:  # of before the column was known
        return np.full(len(numbers), np.nan)
    stored = one_chunk(fields.column(column)).take(pa.array(numbers))
    if not pa.types.is_list(stored.type):
        single = set(wanted)
        return np.array([np.nan if one is None else float(one in single) for one in stored.to_pylist()])
    values = stored.flatten()
    has = np.asarray(pc.is_in(values, _of_type(wanted, values.type)))
    counts = np.bincount(np.asarray(pc.list_parent_indices(stored)), has, len(numbers))
    return np.where(np.asarray(stored.is_null()), np.nan, counts)
