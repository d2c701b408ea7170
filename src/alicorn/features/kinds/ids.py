"""Identifiers as bags: one id per row, or a weighted multi-hot list of them (EBR 2.3).

An id is compared byte for byte (no case folding). A null row, a null element and an empty string contribute nothing.
An id never seen in training has a bucket like any other.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import types

from alicorn.compiled import kernel
from alicorn.features.arrays import Bag, string_buffers
from alicorn.features.kinds.hashing import ID_SEED, absorb, bucket, mix


def id_bags(column: pa.Array, buckets: int) -> Bag:
    """column: large_string. A bag of one id or none."""
    hashed = hashed_ids(column, buckets)
    present = hashed > 0
    offsets = np.zeros(len(hashed) + 1, dtype=np.int64)
    np.cumsum(present, out=offsets[1:])
    return Bag(offsets, hashed if present.all() else hashed[present])


def multi_hot_bags(column: pa.Array, weights: pa.Array | None, buckets: int) -> Bag:
    """column: large_list<large_string>. weights: list<float>, finite, with the lengths of `column`, or None."""
    starts = np.zeros(len(column) + 1, dtype=np.int64)
    np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False), out=starts[1:])
    hashed = hashed_ids(column.flatten(), buckets)
    present = hashed > 0
    kept = np.zeros(len(hashed) + 1, dtype=np.int64)
    np.cumsum(present, out=kept[1:])
    values = None if weights is None else weights.flatten().to_numpy().astype(np.float32)[present]
    return Bag(kept[starts], hashed[present], values)


def hashed_ids(column: pa.Array, buckets: int) -> np.ndarray:
    """int32: the bucket of each string; 0 for null and empty."""
    data, offsets = string_buffers(column)
    out = np.empty(len(column), dtype=np.int32)
    _hash_strings(data, offsets, buckets, out)
    return out


def hashed_id(value: str, buckets: int) -> int:
    """The bucket of one string, as of `hashed_ids`."""
    data = np.frombuffer(value.encode(), dtype=np.uint8)
    out = np.empty(1, dtype=np.int32)
    _hash_strings(data, np.array([0, len(data)], dtype=np.int64), buckets, out)
    return int(out[0])


@kernel(
    types.void(
        types.Array(types.uint8, 1, "C", readonly=True),
        types.Array(types.int64, 1, "C", readonly=True),
        types.int64,
        types.int32[::1],
    )
)
def _hash_strings(data, offsets, buckets, out):
    for row in range(len(out)):
        h = np.uint64(ID_SEED)
        for i in range(offsets[row], offsets[row + 1]):
            h = absorb(h, np.uint64(data[i]))
        out[row] = bucket(mix(h), np.uint64(buckets)) if offsets[row + 1] > offsets[row] else 0
