"""One call for the estimates and the codec's query gives what the two calls give."""

from typing import Any

import numpy as np
import pytest

from alicorn.quantization import KeyQuantizer, Settings, first_look


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (Settings(num_clusters=520, codec="sq8"), 2_000),  # its centroids have codes; the last tile is not full
        (Settings(num_clusters=16, codec="sq8"), 300),
        (Settings(num_clusters=520, codec="pq", pq_bytes=4), 2_000),
        (Settings("imi", 16, "sq8"), 300),
    ],
)
def test_the_answer_is_that_of_both_apart(settings: Settings, count: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(count, 20)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    quantizer = KeyQuantizer.train(vectors, 1, settings)
    look = first_look(quantizer)
    for query in vectors[:20]:
        cosines, off, code = look(query)
        expected, expected_off = quantizer.coarse.estimates(query)
        assert cosines.tobytes() == expected.tobytes()
        assert len(cosines) == settings.num_clusters
        assert np.float32(off) == expected_off
        prepared: Any = quantizer.codec.prepare(query)
        for name, value in prepared._asdict().items():
            assert np.array_equal(np.asarray(getattr(code, name), dtype=np.asarray(value).dtype), value), name
