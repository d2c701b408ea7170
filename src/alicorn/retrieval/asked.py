"""What is known of a request by text, for whatever orders its hits anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.tables import python_values


@dataclass(frozen=True, slots=True)
class Asked:
    """vectors: embedding key -> (interests, dim) float32 of unit length. known: columns of the searcher and of the
    context; null or absent where nothing is known. time_us: microseconds since 1970, UTC."""

    text: str
    vectors: Mapping[str, np.ndarray]
    known: Mapping[str, Any]
    time_us: int


def asked_rows(
    requests: pa.Table, times_us: Sequence[int], vectors: Mapping[str, np.ndarray], columns: Sequence[str]
) -> list[Asked]:
    """The same of many requests.

    requests: as Model.encode_requests takes them. vectors: by key, (requests, dim) or (requests, interests, dim).
    columns: those of `requests` that are wanted; one that is not there is unknown.
    """
    texts = requests["query"].to_pylist()
    known = {name: python_values(requests[name]) for name in columns if name in requests.column_names}
    of_keys = {key: each if each.ndim == 3 else each[:, None] for key, each in vectors.items()}
    return [
        Asked(
            texts[row] or "",
            {key: each[row] for key, each in of_keys.items()},
            {name: values[row] for name, values in known.items()},
            int(times_us[row]),
        )
        for row in range(len(texts))
    ]
