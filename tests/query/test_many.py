"""search_many: each result is that of `search`, also where many requests are answered in one compiled pass."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from alicorn.errors import VectorError
from alicorn.query import Collection, many
from alicorn.query.nn import products

DIM = 24


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """One segment of 3,000 documents, some deleted, some without an embedding, some equal to others."""
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((3000, DIM)).astype(np.float32)
    vectors[100:140] = vectors[100]  # ties
    collection = Collection.create(tmp_path_factory.mktemp("many") / "c", {"a": DIM})
    collection.upsert(
        pa.table(
            {
                "doc_id": [f"é{number}" if number % 7 == 0 else f"d{number}" for number in range(3000)],
                "terms": [[f"tag:{number % 10}", f"rare:{number % 100}"] for number in range(3000)],
                "embedding:a": pa.array([None if i % 11 == 0 else v.tolist() for i, v in enumerate(vectors)]),
            }
        )
    )
    collection.flush()
    collection.train(num_clusters=20)
    collection.delete([f"d{number}" for number in range(1, 3000, 13)])
    yield collection
    collection.close()


EXPRESSIONS = (
    "(nn a :k 5 :filter rare:3)",
    "(nn a :k 5 :filter (and tag:1 (or rare:1 rare:11)))",
    "(nn a :k 50 :filter rare:4)",
    "(nn a :k 5 :filter rare:none)",
    "(nn a :k 5 :filter tag:2)",
    "(nn a :k 5)",
    "(nn a :k 5 :nprobe 3 :filter tag:2)",
    "(and tag:1 (nn a :radius 0.8))",
    "(and tag:1 (or rare:1 rare:11) (nn a :radius 0.9))",
    "(and (prefix rare:5) (nn a :radius 0.9 :vector b))",
    "tag:5",
    "(nn a :k 4 :filter rare:0 :vector b)",
    "(nn a :k 5 :vector b)",
    "(nn a :k 400)",
    "(nn a :k 5000)",
    "(nn a :k 30 :filter (or rare:0 rare:10 rare:20 rare:30))",
    "(nn a :k 3 :filter (and rare:7 (nn a :k 900 :vector b)))",
)


@pytest.mark.parametrize("tile", [8192, 700])
@pytest.mark.parametrize("limit", [0, 3, 100])
def test_each_result_is_that_of_search(
    collection: Collection, limit: int, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tile: rows of a matrix product, all of the segment or a fraction of it."""
    monkeypatch.setattr(products, "_ROWS", tile)
    rng = np.random.default_rng(4)
    expressions = [expression for expression in EXPRESSIONS for _ in range(9)]
    vectors = {"a": rng.standard_normal((len(expressions), DIM)), "b": rng.standard_normal((len(expressions), DIM))}
    vectors["b"] = vectors["b"].astype(np.float32)
    results = collection.search_many(expressions, vectors, limit)
    assert any(result.ids for result in results) == (limit > 0)
    for i, (expression, result) in enumerate(zip(expressions, results, strict=True)):
        one = collection.search(expression, {name: matrix[i] for name, matrix in vectors.items()}, limit)
        assert (result.ids, result.total) == (one.ids, one.total), expression
        assert result.scores.tolist() == one.scores.tolist()
        assert result.notices == one.notices


def test_few_documents_take_one_pass(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    monkeypatch.setattr(many, "search", lambda *arguments, **options: searched.append(arguments))
    collection.search_many(["(nn a :k 5 :filter rare:3)"] * 4, {"a": np.ones((4, DIM))})
    assert not searched
    collection.search_many(
        ["(nn a :k 5)"] * 12 + ["(nn a :k 5 :vector b)"], {"a": np.ones((13, DIM)), "b": np.ones((13, DIM))}
    )
    assert not searched
    collection.search_many(["(nn a :k 5)"] * 4, {"a": np.ones((4, DIM))})
    assert len(searched) == 4


def test_products_side_by_side_take_one_thread_each(collection: Collection) -> None:
    """And when the last of them is done, the process has as many as before."""
    with threadpool_limits(2, "blas"):
        before = _blas_threads()
        with products.ONE_THREAD:
            with products.ONE_THREAD:
                pass
            assert set(_blas_threads()) <= {1}
        assert _blas_threads() == before
        collection.search_many(["(nn a :k 5)"] * 300, {"a": np.ones((300, DIM))})
        assert _blas_threads() == before


def _blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_bad_row_is_named(collection: Collection, dtype: type) -> None:
    vectors = np.ones((3, DIM), dtype=dtype)
    vectors[2, 4] = np.nan
    with pytest.raises(VectorError, match=r"vector 'a\[2\]': component 4 is nan"):
        collection.search_many(["(nn a :k 1)"] * 3, {"a": vectors})
    assert np.isnan(vectors[2, 4])
    assert (vectors[0] == 1).all()  # inputs are not modified


def test_no_request_at_all(collection: Collection) -> None:
    assert collection.search_many([], {"a": np.empty((0, DIM), dtype=np.float32)}) == []
