"""What the searcher did before, beside each candidate: the tokens that a Behavior Sequence Transformer reads.

    sequence:
      parts: {doc_id: realtime_item, category: realtime_category}   # of a document -> where the searcher's are listed
      ages: realtime_age_days
      last: 20

The searcher's columns are parallel lists, the oldest element first, as `request.behaviour` of a vertical makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from alicorn.config import Config
from alicorn.features.kinds.ids import hashed_ids
from alicorn.ranking.features.candidates import Candidates
from alicorn.ranking.features.feature import KnownNames, check_asker, check_name
from alicorn.vertical.columns import ColumnType

DOC_ID = "doc_id"
_HASHES = 2**31 - 1
_LONG_AGO = 3650.0  # days; of an element whose age is not known


class SequenceTokens(NamedTuple):
    """documents: int64 (candidates, parts), hashes of their values, 0 for null. history: int64 (requests, last, parts),
    the newest last, 0 in front of a short one. ages: float32 (requests, last), days."""

    documents: np.ndarray
    history: np.ndarray
    ages: np.ndarray


class BehaviourSequence(Config):
    """parts: doc_id or a stored column of single values -> the searcher's column that lists the same of what was chosen
    before. ages: the column of their ages in days. last: so many of the newest are read (20 in BST)."""

    parts: Annotated[dict[str, str], Field(min_length=1)]
    ages: str
    last: Annotated[int, Field(ge=1, le=1_000)] = 20

    @property
    def asker_columns(self) -> tuple[str, ...]:
        return (*self.parts.values(), self.ages)

    def check(self, known: KnownNames) -> None:
        """Raises ValueError for a name that is not known, for a document's column of lists and a searcher's of none."""
        for document, searcher in self.parts.items():
            check_asker(searcher, known, ColumnType.STRINGS, "a list")
            if document != DOC_ID:
                check_name(document, known.columns, "stored column")
                if pa.types.is_nested(known.columns[document]):
                    raise ValueError(f"column '{document}' must have one value, got {known.columns[document]}")
        check_asker(self.ages, known, ColumnType.FLOATS, "a list of numbers")

    def tokens(self, candidates: Candidates) -> SequenceTokens:
        """Of one request, its candidates in the order that was given."""
        values = [candidates.given_ids() if name == DOC_ID else candidates.given_values(name) for name in self.parts]
        lists = [candidates.asked.known.get(name) or [] for name in self.asker_columns]
        count = min([self.last, *map(len, lists)])
        history = np.zeros((1, self.last, len(self.parts)), dtype=np.int64)
        ages = np.zeros((1, self.last), dtype=np.float32)
        if count:
            history[0, -count:] = np.column_stack([_hashed(each[-count:]) for each in lists[:-1]])
            ages[0, -count:] = np.array(lists[-1][-count:], dtype=np.float32)
        documents = np.column_stack([_hashed(each) for each in values])
        return SequenceTokens(documents, history, np.nan_to_num(ages, nan=_LONG_AGO))


def _hashed(values: Sequence[object]) -> np.ndarray:
    texts = [None if value is None else str(value) for value in values]
    return hashed_ids(pa.array(texts, pa.large_string()), _HASHES).astype(np.int64)
