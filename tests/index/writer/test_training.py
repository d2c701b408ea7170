"""Which vectors quantizers are trained on. Of index/writer/training.py."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import ConfigError
from alicorn.index.segment.building.documents import KeyVectors
from alicorn.index.writer.checks.documents import check_documents
from alicorn.index.writer.training import Training, _sample, due, train
from alicorn.quantization import KeyQuantizer, Settings, default_num_clusters


def test_a_sample_has_distinct_rows_of_every_part_in_order() -> None:
    rows = np.arange(1000, dtype=np.float32)[:, None]
    docs = np.arange(1000)
    backwards = KeyVectors(docs[:700], rows[300:][::-1], rows=docs[:700][::-1])
    parts = [KeyVectors(docs[:300], rows[:300]), KeyVectors(docs[:0], rows[:0]), backwards]
    sample = _sample(parts, 1, 1000, 400)[:, 0]
    assert len(sample) == len(set(sample)) == 400
    assert (np.diff(sample) > 0).all()
    assert 60 < (sample < 300).sum() < 180
    np.testing.assert_array_equal(_sample(parts, 1, 1000, 1000), rows)


def test_a_key_is_due_by_its_own_vectors() -> None:
    quantizers = {"a": KeyQuantizer.untrained(4), "b": KeyQuantizer.untrained(4)}
    assert due({"a": 100, "b": 9_000}, quantizers) == ()
    assert due({"a": 100, "b": 10_000}, quantizers) == ("b",)


def test_only_the_named_keys_are_trained_and_counts_stay_true() -> None:
    vectors = list(np.random.default_rng(0).normal(size=(300, 4)))
    table = pa.table(
        {"doc_id": [f"d{i}" for i in range(300)], "embedding:a": vectors, "embedding:c": vectors},
    )
    dims = {"a": 4, "b": 4, "c": 4}
    quantizers = {key: KeyQuantizer.untrained(4) for key in dims}
    sources = check_documents(table, dims, {})
    trained = train(sources, quantizers, 5, Training(("a", "b"), Settings(num_clusters=3)))
    assert (trained["b"].version, trained["b"].chosen.num_clusters) == (0, 3), "it has no vectors: kept for later"
    assert trained["c"] is quantizers["c"]
    assert (trained["a"].version, trained["a"].trained_on, trained["a"].num_clusters) == (5, 300, 3)


def test_what_was_chosen_before_holds_and_the_rest_follows_the_size() -> None:
    vectors = list(np.random.default_rng(0).normal(size=(300, 4)))
    sources = check_documents(pa.table({"doc_id": [f"d{i}" for i in range(300)], "embedding:a": vectors}), {"a": 4}, {})
    first = train(sources, {"a": KeyQuantizer.untrained(4)}, 1, Training(("a",), Settings(codec="none")))
    again = train(sources, first, 2, Training(("a",)))
    assert again["a"].version == 2
    assert again["a"].settings == Settings("ivf", default_num_clusters(300), "none")


def test_an_error_names_the_key() -> None:
    vectors = list(np.random.default_rng(0).normal(size=(30, 4)))
    sources = check_documents(pa.table({"doc_id": [f"d{i}" for i in range(30)], "embedding:a": vectors}), {"a": 4}, {})
    with pytest.raises(ConfigError, match="embedding 'a': codec 'pq' needs 256 vectors, there are 30: use 'sq8'"):
        train(sources, {"a": KeyQuantizer.untrained(4)}, 1, Training(("a",), Settings(codec="pq")))
