"""The k best of scored rows, beside a sort by NumPy."""

import numpy as np
import pytest

from alicorn.query.nn.loop import kernel
from alicorn.query.nn.nearest import _k_best


@pytest.mark.parametrize("count", [0, 1, 5, 127, 128, 129, 1000, 20_000])
@pytest.mark.parametrize("values", [1, 40, 1 << 20])
def test_the_best_come_by_score_then_by_id(count: int, values: int) -> None:
    """values: how many different scores there are; of 1, every score is tied."""
    rng = np.random.default_rng(count + values)
    rows = rng.permutation(3 * count)[:count].astype(np.uint32)
    scores = rng.choice(rng.uniform(-1, 1, values).astype(np.float32), count)
    docs = rng.permutation(3 * count).astype(np.uint32)
    id_order = rng.permutation(3 * count).astype(np.uint32)
    order = np.lexsort((id_order[docs[rows]], -scores))
    for k in (1, 10, count // 2, count, 2 * count):
        expected = rows[order[:k]].tolist(), scores[order[:k]].tolist()
        for best in (
            _k_best(rows, scores, min(k, count), docs, id_order),
            kernel.sort_best(rows, scores, k, docs, id_order),
        ):
            assert (best[0].tolist(), best[1].tolist()) == expected
