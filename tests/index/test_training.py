"""Which vectors quantizers are trained on. Of index/training.py."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import ConfigError
from alicorn.index.checking import check_documents
from alicorn.index.documents import KeyVectors
from alicorn.index.training import Training, _sample, due, train
from alicorn.quantization import KeyQuantizer


def test_a_sample_has_distinct_rows_of_every_part_in_order() -> None:
    rows = np.arange(1000, dtype=np.float32)[:, None]
    docs = np.arange(1000)
    backwards = KeyVectors(docs[:700], rows[300:][::-1], rows=docs[:700][::-1])
    parts = [KeyVectors(docs[:300], rows[:300]), KeyVectors(docs[:0], rows[:0]), backwards]
    sample = _sample(parts, 1000, 400)[:, 0]
    assert len(sample) == len(set(sample)) == 400
    assert (np.diff(sample) > 0).all()
    assert 60 < (sample < 300).sum() < 180
    np.testing.assert_array_equal(_sample(parts, 1000, 1000), rows)


def test_a_key_is_due_by_its_own_vectors() -> None:
    quantizers = {"a": KeyQuantizer.untrained(4), "b": KeyQuantizer.untrained(4)}
    assert not due({"a": 100, "b": 9_000}, quantizers)
    assert due({"a": 100, "b": 10_000}, quantizers)


def test_a_key_without_vectors_stays_untrained_and_counts_stay_true() -> None:
    vectors = list(np.random.default_rng(0).normal(size=(300, 4)))
    table = pa.table({"doc_id": [f"d{i}" for i in range(300)], "embedding:a": vectors})
    quantizers = {"a": KeyQuantizer.untrained(4), "b": KeyQuantizer.untrained(4)}
    sources = check_documents(table, {"a": 4, "b": 4}, {})
    trained = train(sources, quantizers, 5, Training(num_clusters=3))
    assert trained["b"] is quantizers["b"]
    assert (trained["a"].version, trained["a"].trained_on, trained["a"].num_clusters) == (5, 300, 3)
    again = train(sources, trained, 6, Training(codec="none"))
    assert again["a"].codec.name == "none"
    kept = train(sources, again, 7, Training())
    assert kept["a"].codec.name == "none"


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="codec must be one of"):
        Training(codec="rabitq")
    with pytest.raises(ConfigError, match="pq_bytes"):
        Training(pq_bytes=0)
