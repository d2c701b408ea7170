"""Lists in the order of time, such as documents visited: for each element one bucket per part.

A part is an identifier as in ids.py: compared byte for byte, null and empty mean nothing (bucket 0).
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.features.arrays import Sequences
from alicorn.features.kinds.ids import hashed_ids


def sequences(parts: Sequence[pa.Array], buckets: Sequence[int], last: int) -> Sequences:
    """parts: large_list<large_string> of equal lengths, the oldest element first; null is empty. buckets: of each
    part's table. last: so many elements from the end of a row are kept."""
    lengths = pc.fill_null(pc.list_value_length(parts[0]), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    ends = np.cumsum(lengths)
    kept = np.minimum(lengths, last)
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(kept, out=offsets[1:])
    at = np.arange(offsets[-1]) + np.repeat(ends - kept - offsets[:-1], kept)
    ids = [hashed_ids(part.flatten(), size)[at] for part, size in zip(parts, buckets, strict=True)]
    return Sequences(offsets, np.stack(ids, axis=1))
