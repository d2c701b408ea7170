"""Refined vectors are near what the same searchers chose; a choice unlike its searcher's others says little."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pairs_toy import write_folder
from shell import alicorn, succeed

from alicorn.interests.refined import refined
from alicorn.query import Collection


def unit(rows: list[list[float]]) -> np.ndarray:
    vectors = np.array(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def plain(vectors: np.ndarray, searchers: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """The same by loops over searchers and documents."""
    of = {who: sorted(set(documents[searchers == who])) for who in set(searchers.tolist())}
    wants, means = {}, {}
    for who, own in of.items():
        wants[who] = vectors[own].sum(axis=0)
        wants[who] /= np.linalg.norm(wants[who])
        for _ in range(3):
            attention = np.exp(vectors[own] @ wants[who])
            wants[who] = wants[who] + attention @ vectors[own] / attention.sum()
            wants[who] /= np.linalg.norm(wants[who])
        affinity = np.maximum(vectors[own] @ wants[who], 0)
        means[who] = affinity @ vectors[own] / affinity.sum()
    found = vectors.copy()
    for document in range(len(vectors)):
        weights = {who: max(vectors[document] @ wants[who], 0) for who, own in of.items() if document in own}
        if sum(weights.values()) > 0:
            found[document] += sum(w * (wants[who] + means[who]) for who, w in weights.items()) / sum(weights.values())
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_refined_vectors_are_those_of_loops() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(40, 6)).tolist())
    searchers, documents = rng.integers(0, 12, 90), rng.integers(0, 40, 90)
    found = refined(vectors, searchers, documents)
    np.testing.assert_allclose(found.vectors, plain(vectors, searchers, documents), atol=1e-5)
    assert 0 < found.pruned < 0.5


def test_what_the_same_searchers_choose_becomes_alike_and_noise_is_pruned() -> None:
    """Documents 0 to 3 are chosen together; 4, the opposite of them, once by mistake; nobody chose 5."""
    vectors = unit([[1, 0.5, 0], [1, -0.5, 0], [1, 0, 0.5], [1, 0, -0.5], [-1, 0, 0], [0, 1, 0]])
    searchers = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    documents = np.array([0, 1, 2, 3, 4, 0, 1, 2])
    found = refined(vectors, searchers, documents)
    assert found.pruned == pytest.approx(1 / 8)
    assert found.vectors[0] @ found.vectors[1] > vectors[0] @ vectors[1] + 0.2
    np.testing.assert_allclose(found.vectors[4:], vectors[4:], atol=1e-6)


def test_the_verb_reads_the_training_split_and_writes_every_document(tmp_path) -> None:
    ids = ["a", "b", "c", "gone"]
    shown = {
        "search_id": ["s1", "s1", "s2", "s3"],
        "searcher_id": ["u", "u", "v", None],
        "time": pa.array([1, 1, 2, 3], pa.timestamp("us")),
        "query": ["x"] * 4,
        "doc_id": ["a", "b", "c", "c"],
        "position": [1, 2, 1, 1],
        "grade": [1.0, 1.0, 1.0, 1.0],
        "split": ["train", "train", "valid", "train"],
    }
    tables = {"impressions": pa.table(shown), "documents": pa.table({"doc_id": ids})}
    pairs = write_folder(tmp_path / "pairs", tables)
    vectors = unit([[1, 0], [1, 1], [0, 1]])
    with Collection.create(tmp_path / "c", {"v": 2}) as collection:
        collection.upsert(pa.table({"doc_id": ids[:3], "embedding:v": vectors.astype(np.float32).tolist()}))
    verb = ("refine", pairs, "--collection", tmp_path / "c", "--out", tmp_path / "refined.parquet", "--key")
    told = succeed(*verb, "v", "--json").json()
    assert (told["documents"], told["documents_chosen"], told["choices"], told["documents_without_vector"]) == (
        3,
        2,
        2,
        1,
    )
    table = pq.read_table(tmp_path / "refined.parquet")
    assert table["doc_id"].to_pylist() == ids[:3]
    expected = plain(vectors, np.array([0, 0]), np.array([0, 1]))
    np.testing.assert_allclose(np.array(table["refined"].to_pylist()), expected, atol=1e-5)
    assert "refined.parquet exists" in alicorn(*verb, "v").refusal()
    assert "--key: the collection has v, got 'w'" in alicorn(*verb[:-1], "--overwrite", "--key", "w").refusal()
