"""Which documents were wanted by a search that failed? Rules over what its searcher reached another way, soon after.

`alicorn mine` keeps every document reached within the vertical's `failed_search_window_s`, with four facts each. The
vertical's rules say which of them are targets of a held-out search; a recipe's say which of them it learns from.
"""

from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from alicorn.config import Config


class FailedSearchRules(Config):
    """A reached document counts if all of these hold; the defaults take whatever the searcher reached first.

    window_s: at most so many seconds after the search; None: as long as was mined. first: no other document was
    reached before it. max_earlier_visits: of this searcher to it before the search; more is a habit, not an answer.
    min_likeness: share of the query's distinct letter trigrams that the document's text has, 0 to 1.
    """

    window_s: Annotated[int, Field(gt=0)] | None = None
    first: bool = True
    max_earlier_visits: Annotated[int, Field(ge=0)] | None = None
    min_likeness: Annotated[float, Field(ge=0, le=1)] = 0.0

    def mask(self, reached: pa.Table) -> np.ndarray:
        """bool (rows,). reached: has the columns of FACTS; a row without them, such as a click, is none of these."""
        after_s, rank, visits, likeness = (_numbers(reached[name]) for name in FACTS)
        kept = after_s >= 0  # NaN where it is null
        if self.window_s is not None:
            kept &= after_s <= self.window_s
        if self.first:
            kept &= rank == 1
        if self.max_earlier_visits is not None:
            kept &= visits <= self.max_earlier_visits
        return kept & (likeness >= self.min_likeness)


# Seconds after the search; 1 for what was reached first, equal times share a rank; visits before the search; likeness.
FACTS = {
    "reached_after_s": pa.float64(),
    "reached_rank": pa.int32(),
    "earlier_visits": pa.int32(),
    "likeness": pa.float32(),
}


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    result: np.ndarray = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
    return result
