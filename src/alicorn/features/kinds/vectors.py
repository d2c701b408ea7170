"""Lists of vectors made elsewhere, such as those of a product's images: Tokens. A null row has none. See dense.py."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.features.arrays import Tokens


def vector_lists(column: pa.Array, dim: int) -> Tokens:
    """column: large_list<large_list<float>>, each inner one of `dim` finite numbers. Rounded to float16."""
    offsets = np.zeros(len(column) + 1, dtype=np.int64)
    np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False), out=offsets[1:])
    values = column.flatten().flatten().to_numpy(zero_copy_only=False)
    return Tokens(offsets, values.astype(np.float16).reshape(-1, dim))
