"""Does the text look like a name of the document, mistakes and other spellings aside?"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import types

from alicorn.compiled import kernel
from alicorn.features.kinds.text import TextSettings, text_bag, text_bags
from alicorn.index import SegmentView
from alicorn.ranking.features.candidates import Candidates
from alicorn.ranking.features.feature import KnownNames, RankFeature, check_name, missing
from alicorn.tables import one_chunk

_BUCKETS = 1 << 16
_TRIGRAMS = TextSettings(trigrams=True, word_ngrams=0)


class Similar(RankFeature):
    """How alike the text and a value of a stored column are, of a list the greatest: 1 for the same words, 0 where they
    share no letter trigram; missing where either has no word.

    The Dice coefficient of the sets of trigrams of words, 2 * common / (those of the one + those of the other). Source:
    Angell, Freund and Willett, "Automatic spelling correction using a trigram similarity measure", 1983.
    """

    kind: Literal["similar"]
    column: str

    def values(self, candidates: Candidates) -> np.ndarray:
        wanted = np.unique(text_bag(candidates.asked.text, _BUCKETS, _TRIGRAMS))
        if not len(wanted):
            return missing(candidates)
        return candidates.gathered(lambda view, numbers: _likest(view, numbers, self.column, wanted))

    def check(self, known: KnownNames) -> None:
        check_name(self.column, known.columns, "stored column")
        kind = known.columns[self.column]
        if not pa.types.is_string(kind.value_type if pa.types.is_list(kind) else kind):
            raise ValueError(f"column '{self.column}' must be of strings, got {kind}")


def _likest(view: SegmentView, numbers: np.ndarray, column: str, wanted: np.ndarray) -> np.ndarray:
    """(numbers,) float64. wanted: the distinct trigrams of the text."""
    found = np.full(len(numbers), np.nan)
    fields = view.segment.fields
    if column not in fields.schema.names:  # of before the column was known
        return found
    stored = one_chunk(fields.column(column)).take(pa.array(numbers))
    rows = np.arange(len(numbers))
    if pa.types.is_list(stored.type):
        rows, stored = np.asarray(pc.list_parent_indices(stored)), stored.flatten()
    bags = text_bags(stored.cast(pa.large_string()), _BUCKETS, _TRIGRAMS)
    of_values = np.empty(len(stored))
    _dice(bags.indices, bags.offsets, wanted, _BUCKETS, of_values)
    np.fmax.at(found, rows, of_values)
    return found


@kernel(
    types.void(
        types.Array(types.int32, 1, "C", readonly=True),
        types.Array(types.int64, 1, "C", readonly=True),
        types.Array(types.int32, 1, "C", readonly=True),
        types.int64,
        types.float64[::1],
    )
)
def _dice(indices, offsets, wanted, buckets, found):
    """found[row] = the coefficient of each row's bag with `wanted`; NaN for an empty one."""
    is_wanted, last_row = np.zeros(buckets, dtype=np.bool_), np.full(buckets, -1, dtype=np.int32)
    for one in wanted:
        is_wanted[one] = True
    for row in range(len(found)):
        distinct, common = 0, 0
        for i in range(offsets[row], offsets[row + 1]):
            one = indices[i]
            if last_row[one] != row:
                last_row[one] = row
                distinct += 1
                common += is_wanted[one]
        found[row] = 2.0 * common / (distinct + len(wanted)) if distinct else np.nan
