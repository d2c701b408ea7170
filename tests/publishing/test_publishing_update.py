"""A table, or the vectors of a model, into a collection that has the documents; keys are added and dropped."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alicorn.errors import AlicornError, CollectionError, ConfigError, TableError, VectorError
from alicorn.publishing.provenance import check_models
from alicorn.publishing.update import drop, update
from alicorn.query import Collection

VECTORS = pa.list_(pa.float32())


class Toy:
    """A model that encodes a document by its price."""

    vertical = SimpleNamespace(document_types=dict)

    def __init__(self, key: str, fingerprint: str = "v4", dim: int = 2) -> None:
        self.key, self.fingerprint, self.dim = key, fingerprint, dim

    def encode_documents(self, documents: pa.Table) -> np.ndarray:
        vectors = np.zeros((len(documents), self.dim), dtype=np.float32)
        vectors[np.arange(len(documents)), documents["price"].to_numpy().astype(int) % self.dim] = 1.0
        return vectors


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    with Collection.create(
        tmp_path / "c", {"x": 2}, metadata={"models": {"x": "v3"}, "analysis": "stems"}
    ) as collection:
        columns = {"price": [1, 2], "title": ["boot", "hat"], "static_rank": [3.0, 4.0]}
        vectors = pa.array([[1.0, 0.0], [0.0, 1.0]], VECTORS)
        collection.upsert(
            pa.table({"doc_id": ["a", "b"], "terms": [["t:a"], ["t:b"]], "embedding:x": vectors, **columns})
        )
    return tmp_path / "c"


def written(folder: Path, **columns: Any) -> Path:
    path = folder / "documents.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def documents(shop: Path) -> dict[str, Any]:
    with Collection.open(shop, read_only=True) as collection:
        return {doc_id: collection.get(doc_id) for doc_id in "ab"}


def test_columns_change_and_the_rest_stays(shop: Path, tmp_path: Path) -> None:
    before = documents(shop)
    seen: list[tuple[int, int]] = []
    table = written(tmp_path, doc_id=["b", "gone"], price=[7, 8], season=["summer", "winter"])
    done = update(table, shop, on_progress=lambda *counts: seen.append(counts))
    assert (done.updated, done.unknown, done.added) == (1, 1, {})
    assert seen == [(2, 2)]
    assert documents(shop) == {"a": before["a"] | {"season": None}, "b": before["b"] | {"price": 7, "season": "summer"}}


def test_vectors_of_a_new_key_add_it(shop: Path, tmp_path: Path) -> None:
    before = documents(shop)
    table = written(tmp_path, doc_id=["b", "a"], **{"embedding:y": pa.array([None, [0.0, 0.0, 2.0]], VECTORS)})
    assert update(table, shop, stored="float16").added == {"y": 3}
    with Collection.open(shop, read_only=True) as collection:
        assert collection.stored == {"x": "float32", "y": "float16"}
        assert collection.search("(nn y :k 5)", vectors={"y": [0, 0, 1]}).ids == ["a"]
        assert collection.search("(nn x :k 5)", vectors={"x": [0, 1]}).ids == ["b", "a"]
    assert documents(shop) == before
    drop(shop, ["x"])
    with Collection.open(shop, read_only=True) as collection:
        assert collection.embeddings == {"y": 3}
        assert collection.metadata == {"models": {}, "analysis": "stems"}
    assert documents(shop) == before


def test_a_further_model_is_added_beside_the_first(shop: Path, tmp_path: Path) -> None:
    table = written(tmp_path, doc_id=["a", "b", "gone"], price=[100, 101, 102])
    before = documents(shop)
    for added in ({"y": 2}, {}):  # a second time the same model gives its vectors again
        done = update(table, shop, [Toy("y")])
        assert (done.updated, done.unknown, done.added) == (2, 1, added)
    assert documents(shop) == before
    with Collection.open(shop, read_only=True) as collection:
        check_models(collection, [Toy("x", "v3"), Toy("y")])
        assert collection.search("(nn y :k 1)", vectors={"y": [0, 1]}).ids == ["b"]
        assert collection.metadata["analysis"] == "stems"


def test_what_does_not_fit_is_refused_before_any_change(shop: Path, tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], list[Any], type[AlicornError], str]] = [
        ({"doc_id": ["a"], "embedding:x": pa.array([[1.0]], VECTORS)}, [], CollectionError, "drop the key first"),
        (
            {"doc_id": ["a"], "price": ["dear"], "embedding:y": pa.array([[1.0]], VECTORS)},
            [],
            TableError,
            "cast it to int64",
        ),
        ({"doc_id": ["a"], "embedding:y": pa.array([None], VECTORS)}, [], TableError, "no vector"),
        ({"doc_id": ["a"]}, [], TableError, "no column beside doc_id"),
        ({"doc_id": ["a", "a"], "price": [1, 2]}, [], TableError, "repeats"),
        ({"doc_id": ["a"], "price": [1]}, [Toy("x")], CollectionError, "was published with model v3"),
        ({"doc_id": ["a"], "price": [1]}, [Toy("x", dim=3)], CollectionError, "has 2 dimensions"),
        ({"doc_id": ["a"], "price": [1]}, [Toy("y"), Toy("y")], ConfigError, "two models"),
        ({"doc_id": ["a"], "embedding:x": pa.array([[0.0, 0.0]], VECTORS)}, [], VectorError, "zero vector"),
    ]
    before = documents(shop)
    for columns, models, kind, message in cases:
        with pytest.raises(kind, match=message):
            update(written(tmp_path, **columns), shop, models)
    with pytest.raises(ConfigError, match="one of x, got 'y'"):
        drop(shop, ["y"])
    assert documents(shop) == before
    with Collection.open(shop, read_only=True) as collection:
        assert collection.embeddings == {"x": 2}
        assert collection.metadata["models"] == {"x": "v3"}
