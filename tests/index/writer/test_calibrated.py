"""The calibration of `:recall` is made when a key is trained, and is there after a merge and another opening."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.errors import ConfigError
from alicorn.quantization import KeyQuantizer

DIM = 12


def table(count: int, seed: int, first: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    vectors = np.random.default_rng(5).normal(size=(20, DIM))[rng.integers(20, size=count)]
    vectors = (vectors + 0.5 * rng.normal(size=(count, DIM))).astype(np.float32)
    return pa.table(
        {"doc_id": [f"d{i}" for i in range(first, first + count)], "embedding:x": pa.array(vectors.tolist())}
    )


def bases(collection: alicorn.Collection) -> np.ndarray:
    calibration = collection.snapshot().quantizers["x"].calibration
    assert calibration is not None
    return calibration.bases


@pytest.mark.parametrize("stored", ["float32", "float16", "codes"])
def test_it_is_made_by_training_and_kept(tmp_path, stored):
    with alicorn.Collection.create(tmp_path / "c", {"x": {"dim": DIM, "stored": stored}}) as collection:
        collection.upsert(table(2_000, 0))
        assert collection.snapshot().quantizers["x"].calibration is None
        collection.train(num_clusters=30)
        made = bases(collection)
        collection.upsert(table(100, 1, first=2_000))
        collection.merge()
        np.testing.assert_array_equal(bases(collection), made)
    with alicorn.Collection.open(tmp_path / "c") as collection:
        np.testing.assert_array_equal(bases(collection), made)


def test_queries_that_are_given_are_what_is_asked(tmp_path):
    rng = np.random.default_rng(3)
    with alicorn.Collection.create(tmp_path / "c", {"x": DIM}) as collection:
        collection.upsert(table(2_000, 0))
        collection.train(num_clusters=30)
        by_documents = bases(collection)
        collection.train(num_clusters=30, key="x", queries=3 * rng.normal(size=(60, DIM)))
        assert not np.array_equal(bases(collection), by_documents)


def test_queries_stay_with_the_key_also_those_given_before_any_vector(tmp_path):
    asked = 3 * np.random.default_rng(3).normal(size=(60, DIM))
    with alicorn.Collection.create(tmp_path / "c", {"x": DIM}) as collection:
        collection.train(num_clusters=30, key="x", queries=asked)
        assert collection.snapshot().quantizers["x"].version == 0
    with alicorn.Collection.open(tmp_path / "c") as collection:
        collection.upsert(table(2_000, 0))
        collection.train()
        by_queries = bases(collection)
        assert collection.snapshot().quantizers["x"].num_clusters == 30
        collection.train()
        np.testing.assert_array_equal(bases(collection), by_queries)
    with alicorn.Collection.create(tmp_path / "other", {"x": DIM}) as collection:
        collection.upsert(table(2_000, 0))
        collection.train(num_clusters=30)
        assert not np.array_equal(bases(collection), by_queries)


@pytest.mark.parametrize(
    ("queries", "problem"),
    [
        (np.ones((5, DIM + 1)), r"shape \(n, 12\)"),
        (np.ones(DIM), r"shape \(n, 12\)"),
        (np.zeros((5, DIM)), "other than zero"),
        (np.full((5, DIM), np.nan), "finite"),
    ],
)
def test_queries_that_are_no_vectors_of_the_key_are_refused(tmp_path, queries, problem):
    with alicorn.Collection.create(tmp_path / "c", {"x": DIM}) as collection:
        with pytest.raises(ConfigError, match=problem):
            collection.train(key="x", queries=queries)
        with pytest.raises(ConfigError, match="name its key by key="):
            collection.train(queries=np.ones((5, DIM)))


def test_a_quantizer_of_before_has_none():
    quantizer = replace(KeyQuantizer.untrained(DIM), version=3)
    assert KeyQuantizer.from_arrays(quantizer.to_arrays()).calibration is None
    earlier = {"calibration.spread": np.ones(1), "calibration.slope": np.ones(1)}  # of a rule of one slope
    assert KeyQuantizer.from_arrays(quantizer.to_arrays() | earlier).calibration is None
